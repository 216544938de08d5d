using OllmNative.Model;

namespace OllmNative.Training;

/// <summary>The figures of a trained OLLM on held-out rows and problems, by the names of the evaluation.</summary>
internal sealed class TrainedFigures(TinyLab lab, OllmModel ollm, int samples, Action<string> onStage)
{
    public void Measure(Dictionary<string, double> figures, CancellationToken cancellation)
    {
        int longest = lab.HeldOutRows.Max(row => row.Tokens.Length);
        onStage("token accuracy");
        using (var evaluator = new TokenAccuracyEvaluator(lab.Backbone, ollm, longest))
        {
            TokenAccuracy tokens = evaluator.Measure(lab.HeldOutRows, cancellation);
            (figures["token_backbone"], figures["token_policy"]) = (tokens.Backbone, tokens.Policy);
            (figures["token_encoder"], figures["token_oracle"]) = (tokens.Encoder, tokens.Oracle);
        }
        onStage("options");
        using (var probe = new OptionProbe(lab.Backbone, ollm, longest))
        {
            OptionReport report = OptionReport.From(probe.Measure(lab.HeldOutRows, cancellation: cancellation));
            (figures["effective_options"], figures["distinct_tokens"]) = (report.EffectiveOptions, report.Ambiguous.DistinctTokens);
            (figures["information"], figures["backbone_entropy"]) = (report.Ambiguous.EncoderInformation, report.Ambiguous.BackboneEntropy);
            (figures["policy_entropy"], figures["warnings"]) = (report.Ambiguous.PolicyEntropy, report.Warnings.Count);
        }
        onStage("answers");
        using Generator generator = lab.NewGenerator(ollm);
        Answers(new AnswerSampler(generator, lab.Tokenizer, lab.StopTokens, TinyLab.MaxTokens), lab, AnswerDraw.Options, samples, "policy", figures, cancellation);
    }

    /// <summary>Greedy and sampled answers: <c>NAME_greedy</c>, <c>NAME_sampled</c>, <c>NAME_pass@N</c>, <c>NAME_texts</c> (different texts among N) and <c>NAME_malformed</c>.</summary>
    public static void Answers(
        AnswerSampler sampler, TinyLab lab, AnswerDraw draw, int samples, string name, Dictionary<string, double> figures, CancellationToken cancellation)
    {
        IReadOnlyList<AnswerProblem> problems = lab.HeldOutProblems;
        IReadOnlyList<DrawnAnswer> greedy = sampler.Greedy(problems, draw, cancellation: cancellation);
        IReadOnlyList<DrawnAnswer[]> drawn = sampler.Draw(problems, draw, samples, lab.Seed, cancellation: cancellation);
        figures[$"{name}_greedy"] = greedy.Average(answer => answer.Right ? 1.0 : 0);
        figures[$"{name}_sampled"] = drawn.Average(answers => answers.Average(answer => answer.Right ? 1.0 : 0));
        figures[$"{name}_pass@{samples}"] = drawn.Average(answers => answers.Any(answer => answer.Right) ? 1.0 : 0);
        figures[$"{name}_texts"] = drawn.Average(answers => (double)answers.Select(answer => answer.Text).Distinct().Count());
        figures[$"{name}_malformed"] = drawn.Zip(problems).Average(pair => pair.First.Average(answer => IsOffLanguage(pair.Second, answer.Text) ? 1.0 : 0));
    }

    /// <summary>Whether a text is none of the worked solutions that the tiny world has for the problem.</summary>
    public static bool IsOffLanguage(AnswerProblem problem, string text) => !TinyWorld.IsWorkedSolution(problem.Row.Problem!, text);
}
