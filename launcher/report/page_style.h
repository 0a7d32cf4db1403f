#pragma once

namespace tessera {

// The looks of reports: light and dark, as the reader's system has it.
inline constexpr const char* kPageStyle = R"css(
:root { --ground: #fff; --text: #1b1f24; --soft: #5c6670; --rule: #d8dde3; --panel: #f5f7f9;
  --c0: #1f6fb4; --c1: #c4510c; --c2: #2d8a4e; --c3: #7a4fb5; }
@media (prefers-color-scheme: dark) {
  :root { --ground: #14181d; --text: #e2e7ec; --soft: #97a3af; --rule: #343c45; --panel: #1c2229;
    --c0: #6cb2f0; --c1: #f39b5e; --c2: #6fcf8f; --c3: #bb97ee; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 28px 24px 60px; max-width: 1000px; color: var(--text);
  background: var(--ground); font: 15px/1.5 system-ui, sans-serif; }
h1 { font-size: 26px; margin: 0 0 2px; }
h2 { font-size: 18px; margin: 38px 0 8px; padding-top: 14px; border-top: 1px solid var(--rule); }
p { margin: 4px 0 10px; color: var(--soft); }
.figures { display: grid; grid-template-columns: repeat(auto-fill, minmax(150px, 1fr)); gap: 10px;
  margin: 18px 0 0; }
.figures div { background: var(--panel); border-radius: 8px; padding: 10px 14px; }
.figures b { display: block; font-size: 20px; font-weight: 600; overflow-wrap: anywhere; }
.figures span { color: var(--soft); font-size: 13px; }
svg { width: 100%; height: auto; display: block; margin: 6px 0 14px; }
svg text { fill: var(--soft); font-size: 12px; }
svg text.name { fill: var(--text); font-weight: 600; }
svg .grid { stroke: var(--rule); stroke-width: 1; }
svg path { fill: none; stroke: currentColor; stroke-width: 1.8; stroke-linejoin: round; }
svg path.band { fill: currentColor; stroke: none; opacity: 0.18; }
svg circle { fill: currentColor; }
.line0 { color: var(--c0); } .line1 { color: var(--c1); }
.line2 { color: var(--c2); } .line3 { color: var(--c3); }
.wide { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: 14px; }
th, td { text-align: left; padding: 4px 10px 4px 0; border-bottom: 1px solid var(--rule);
  vertical-align: top; overflow-wrap: anywhere; }
th { color: var(--soft); font-weight: 600; white-space: nowrap; }
.number { text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums; }
.bars { min-width: 170px; width: 24%; }
.bars i { display: block; height: 6px; margin: 3px 0; border-radius: 3px; min-width: 1px; }
.measured { background: var(--c0); } .predicted { background: var(--c1); }
svg .measured { fill: var(--c0); } svg .predicted { fill: var(--c1); }
.key { display: inline-block; width: 12px; height: 8px; border-radius: 3px; margin: 0 4px 0 10px; }
pre { background: var(--panel); border-radius: 8px; padding: 12px 14px; overflow-x: auto;
  font: 12.5px/1.45 ui-monospace, monospace; }
summary { cursor: pointer; color: var(--soft); margin: 8px 0; }
)css";

}  // namespace tessera
