namespace OllmNative.Training;

/// <summary>What the options say at one target position; entropies and informations in nats.</summary>
/// <param name="BackboneEntropy">Entropy of the backbone's distribution over tokens.</param>
/// <param name="EncoderEntropy">H(q): how undecided the encoder is once it has seen the true token.</param>
/// <param name="PolicyEntropy">H(pi): how undecided the policy is.</param>
/// <param name="DistinctTokens">Different argmax tokens among the K options.</param>
/// <param name="EncoderInformation">
/// I(z; y | h) with y from the backbone's likeliest tokens and z from the encoder:
/// sum_j w_j KL(q(. | h, y_j) || sum_i w_i q(. | h, y_i)), w = p(y_j) over their sum.
/// </param>
/// <param name="UpperBound">KL(q || pi) at the true token: its mean over positions is I(z; y | h) + KL(q(z | h) || pi), never below I.</param>
/// <param name="DecoderInformation">I(z; token | h) with z from the policy and the token from option z: H(sum_k pi_k p_k) - sum_k pi_k H(p_k), exact.</param>
/// <param name="CoveredMass">Probability of the tokens that <see cref="EncoderInformation"/> counts.</param>
/// <param name="Choice">The encoder's likeliest option.</param>
public readonly record struct OptionPosition(
    float BackboneEntropy, float EncoderEntropy, float PolicyEntropy, int DistinctTokens, float EncoderInformation, float UpperBound,
    float DecoderInformation, float CoveredMass, int Choice);

/// <summary>Sums that belong to all positions together.</summary>
/// <param name="Positions">One entry for each target.</param>
/// <param name="EncoderUsage">Mean of q over the positions, [K].</param>
/// <param name="PolicyUsage">Mean of pi over the positions, [K].</param>
public sealed record OptionFacts(IReadOnlyList<OptionPosition> Positions, double[] EncoderUsage, double[] PolicyUsage);
