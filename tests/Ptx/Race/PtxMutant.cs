using System.Globalization;

namespace OllmNative.Tests.Ptx;

/// <summary>A program with one of the instructions that order memory left out, or made weaker.</summary>
internal sealed record PtxMutant(PtxModule Module, int Place, string Name, PtxInstruction Instead)
{
    /// <summary>An instruction that does nothing.</summary>
    public const string Nothing = "(left out)";

    public static IEnumerable<PtxMutant> Of(PtxModule module)
    {
        for (int place = 0; place < module.Code.Count; place++)
        {
            PtxInstruction was = module.Code[place];
            string name = string.Create(CultureInfo.InvariantCulture, $"{place}: {was.Text}");
            switch (was.Op)
            {
                case "bar.sync" or "bar.warp.sync" or "membar.cta" or "fence.proxy.async" or "griddepcontrol.wait" or "cp.async.commit_group"
                    or "wgmma.fence.sync.aligned" or "wgmma.commit_group.sync.aligned" or "mbarrier.arrive.shared::cta.b64" or "mbarrier.arrive.expect_tx.shared::cta.b64":
                    yield return new PtxMutant(module, place, name, was with { Op = Nothing });
                    break;
                case "membar.gl" or "membar.sys":
                    yield return new PtxMutant(module, place, name, was with { Op = Nothing });
                    yield return new PtxMutant(module, place, name + ", only for the group", was with { Op = "membar.cta" });
                    break;
                case "cp.async.wait_group" or "wgmma.wait_group.sync.aligned":
                    yield return new PtxMutant(module, place, name, was with { Op = Nothing });
                    PtxOperand pending = was.Operands[0];
                    yield return new PtxMutant(module, place, name + ", for one group less", was with { Operands = [pending with { Bits = pending.Bits + 1 }] });
                    break;
                case "mbarrier.try_wait.parity.shared::cta.b64":
                    // It says at once that the phase has ended.
                    yield return new PtxMutant(module, place, name, was with { Op = "mov.pred", Operands = [was.Operands[0], new PtxOperand(OperandKind.Immediate, -1, 1, "1", [])] });
                    break;
            }
        }
    }
}
