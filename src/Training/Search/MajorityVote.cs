namespace OllmNative.Training;

/// <summary>Self-consistency (arXiv 2203.11171): the final answer that most samples agree on.</summary>
public static class MajorityVote
{
    /// <summary>
    /// The first of the answers whose final answer is the most frequent one; answers agree when they are equivalent, those
    /// without a final answer do not vote. Among equals the group that appeared first wins. Null when nobody votes.
    /// </summary>
    public static DrawnAnswer? Of(IReadOnlyList<DrawnAnswer> answers)
    {
        ArgumentNullException.ThrowIfNull(answers);
        var groups = new List<(DrawnAnswer First, int Votes)>();
        foreach (DrawnAnswer answer in answers.Where(answer => answer.Answer is not null))
        {
            int at = groups.FindIndex(group => group.First.Answer == answer.Answer || AnswerChecker.Equivalent(answer.Answer, group.First.Answer));
            if (at < 0) groups.Add((answer, 1));
            else groups[at] = (groups[at].First, groups[at].Votes + 1);
        }
        return groups.Count == 0 ? null : groups.MaxBy(group => group.Votes).First;
    }
}
