namespace OllmNative.Training;

/// <summary>The style sheet of report pages. Series colours are the Okabe-Ito set, told apart under all common colour vision; dashes tell them apart in grey.</summary>
internal static class ReportStyle
{
    public const string Css =
        """
        :root { --bg: #ffffff; --fg: #1b1f24; --soft: #5a6472; --rule: #d9dee5; --panel: #f5f7f9; --mark: #fff3c4;
          --c0: #0072b2; --c1: #d55e00; --c2: #009e73; --c3: #cc79a7; --c4: #b58900; --c5: #56b4e9; --c6: #4d4d4d; }
        @media (prefers-color-scheme: dark) {
          :root { --bg: #14171b; --fg: #e6e9ed; --soft: #9aa5b1; --rule: #333a43; --panel: #1c2127; --mark: #4a3f12;
            --c0: #56b4e9; --c1: #ff8c42; --c2: #2ec99a; --c3: #e39cc2; --c4: #f0e442; --c5: #7fa8ff; --c6: #c9ced6; } }
        @media print { :root { --bg: #ffffff; --fg: #000000; --soft: #444444; --rule: #bbbbbb; --panel: #ffffff; --mark: #eeeeee;
          --c0: #0072b2; --c1: #d55e00; --c2: #009e73; --c3: #cc79a7; --c4: #b58900; --c5: #56b4e9; --c6: #4d4d4d; }
          figure, tr, dl { break-inside: avoid; } h2 { break-after: avoid; } * { print-color-adjust: exact; } }
        * { box-sizing: border-box; }
        body { margin: 0; background: var(--bg); color: var(--fg); font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
        main { max-width: 60rem; margin: 0 auto; padding: 1.25rem 1rem 3rem; }
        h1 { font-size: 1.7rem; line-height: 1.2; margin: 0.5rem 0 1rem; }
        h2 { font-size: 1.25rem; margin: 2rem 0 0.5rem; padding-top: 0.75rem; border-top: 1px solid var(--rule); }
        p { max-width: 44rem; overflow-wrap: anywhere; }
        code { font: 0.9em ui-monospace, SFMono-Regular, Consolas, monospace; }
        dl { display: grid; grid-template-columns: repeat(auto-fill, minmax(13rem, 1fr)); gap: 0.5rem; margin: 1rem 0; }
        dl > div { background: var(--panel); border: 1px solid var(--rule); border-radius: 6px; padding: 0.4rem 0.7rem; }
        dt { color: var(--soft); font-size: 0.8rem; }
        dd { margin: 0; font-variant-numeric: tabular-nums; overflow-wrap: anywhere; }
        .scroll { overflow-x: auto; margin: 1rem 0; }
        table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
        caption { text-align: left; font-weight: 600; padding-bottom: 0.4rem; }
        th, td { text-align: left; vertical-align: top; padding: 0.3rem 0.8rem; border-bottom: 1px solid var(--rule); }
        thead th { border-bottom: 2px solid var(--soft); }
        .number { text-align: right; white-space: nowrap; }
        figure { margin: 1.5rem 0; overflow-x: auto; }
        figcaption { font-weight: 600; margin-bottom: 0.4rem; }
        figure > svg { display: block; width: 100%; min-width: 32rem; height: auto; }
        svg text { fill: var(--soft); font: 12px system-ui, sans-serif; }
        svg text.label { fill: var(--fg); font-size: 13px; }
        .grid { stroke: var(--rule); stroke-width: 1; }
        .axis { stroke: var(--soft); stroke-width: 1; }
        .line { fill: none; stroke-width: 2; stroke-linejoin: round; }
        .bar { fill: var(--c0); }
        .fill0 { fill: var(--c0); } .fill1 { fill: var(--c1); } .fill2 { fill: var(--c2); } .fill3 { fill: var(--c3); } .fill4 { fill: var(--c4); } .fill5 { fill: var(--c5); } .fill6 { fill: var(--c6); }
        .whisker { fill: none; stroke: var(--fg); stroke-width: 1.5; }
        .dot { stroke: none; }
        .s0 { stroke: var(--c0); } .s1 { stroke: var(--c1); stroke-dasharray: 7 3; } .s2 { stroke: var(--c2); stroke-dasharray: 2 3; }
        .s3 { stroke: var(--c3); stroke-dasharray: 9 3 2 3; } .s4 { stroke: var(--c4); } .s5 { stroke: var(--c5); stroke-dasharray: 7 3; } .s6 { stroke: var(--c6); stroke-dasharray: 2 3; }
        .dot.s0 { fill: var(--c0); } .dot.s1 { fill: var(--c1); } .dot.s2 { fill: var(--c2); } .dot.s3 { fill: var(--c3); } .dot.s4 { fill: var(--c4); } .dot.s5 { fill: var(--c5); } .dot.s6 { fill: var(--c6); }
        .legend { list-style: none; display: flex; flex-wrap: wrap; gap: 0.25rem 1.2rem; margin: 0.4rem 0 0; padding: 0; font-size: 0.9rem; }
        .hint, .empty { color: var(--soft); font-size: 0.9rem; margin: 0 0 0.6rem; }
        .strip { white-space: pre-wrap; overflow-wrap: anywhere; max-width: none; line-height: 1.7; border: 1px solid var(--rule); border-radius: 6px; padding: 0.5rem 0.7rem; }
        .strip span { border-radius: 3px; }
        .steps { list-style: none; margin: 0; padding: 0; display: grid; grid-template-columns: repeat(auto-fill, minmax(14rem, 1fr)); gap: 0.7rem; }
        .steps > li { border: 1px solid var(--rule); border-radius: 6px; background: var(--panel); overflow: hidden; break-inside: avoid; }
        .taken { padding: 0.3rem 0.6rem; border-bottom: 1px solid var(--rule); font-weight: 600; }
        .step { color: var(--soft); font-weight: 400; font-size: 0.8rem; margin-right: 0.5rem; }
        .options { list-style: none; margin: 0; padding: 0.3rem 0; font-size: 0.85rem; }
        .options li { display: grid; grid-template-columns: 1.1rem minmax(0, 1fr) 3.5rem 3rem; gap: 0.4rem; align-items: center; padding: 0.05rem 0.6rem 0.05rem 0.3rem; }
        .options code { white-space: nowrap; overflow: hidden; text-overflow: ellipsis; }
        .options .chosen { background: var(--mark); font-weight: 600; }
        .tree, .tree ul { list-style: none; margin: 0; padding-left: 1.1rem; border-left: 1px solid var(--rule); font-size: 0.9rem; }
        .tree { padding-left: 0; border: 0; }
        .tree summary, .tree .leaf { padding: 0.1rem 0; cursor: default; }
        .tree .leaf { padding-left: 1rem; }
        .tree .meter { display: inline-block; width: 3.5rem; margin: 0 0.4rem; vertical-align: middle; }
        .tree code.chosen { background: var(--mark); font-weight: 600; }
        .tree .note { color: var(--soft); font-size: 0.8rem; }
        .options .t0 { border-left: 3px solid var(--c0); } .options .t1 { border-left: 3px solid var(--c1); } .options .t2 { border-left: 3px solid var(--c2); }
        .options .t3 { border-left: 3px solid var(--c3); } .options .t4 { border-left: 3px solid var(--c4); } .options .t5 { border-left: 3px solid var(--c5); }
        .options .t6 { border-left: 3px solid var(--c6); }
        .options code[class] { padding-left: 0.3rem; }
        .mark { color: var(--c1); text-align: center; }
        .meter { height: 0.5rem; background: var(--rule); border-radius: 3px; overflow: hidden; }
        .meter > span { display: block; height: 100%; background: var(--c0); }
        .policy { text-align: right; color: var(--soft); font-variant-numeric: tabular-nums; }
        """;
}
