"use strict";
/* Draws the report from the JSON in #data. Every text in it may come from a model: it becomes text
   nodes and attribute values of our own choosing, never markup. */
(() => {
const report = JSON.parse(document.getElementById("data").textContent);
const main = document.getElementById("main");
const tip = document.getElementById("tip");
let subject = null;
let leave = []; // undoes what the subject on show has added outside main

/* ---- making elements ------------------------------------------------------------------------ */

/* el("p.quiet", {title: "x"}, "text", child, null, [more]) */
function el(kind, attributes, ...children) {
    const [name, ...classes] = kind.split(".");
    const node = document.createElement(name);
    if (classes.length) node.className = classes.join(" ");
    for (const [key, value] of Object.entries(attributes || {}))
        if (value !== undefined && value !== null && value !== false)
            node.setAttribute(key, value === true ? "" : value);
    node.append(...children.flat(9).filter(c => c !== null && c !== undefined && c !== false));
    return node;
}

const number = (x, digits = 2) => typeof x !== "number" ? "–"
    : (Math.abs(x) >= 1e6 || (x !== 0 && Math.abs(x) < 1e-4) ? x.toExponential(2) : x.toFixed(digits)).replace("-", "−");
const percent = x => typeof x === "number" ? `${Math.round(100 * x)} %` : "–";
const count = x => typeof x === "number" ? x.toLocaleString("en") : "–";
const times = x => x >= 100 ? x.toFixed(0) : x >= 10 ? x.toFixed(1) : x.toFixed(2);
const plural = (n, word) => `${n} ${word}${n === 1 ? "" : "s"}`;

/* Controls, marks that turn the writing, and line ends as visible signs. */
const ODD = /[\u0000-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]/g;
const SIGNS = {"\n": "↵", "\t": "⇥", "\r": "␍"};
function shown(text) {
    return String(text).replace(ODD, c => SIGNS[c] ||
        (c < "\u0100" ? "\\x" + c.charCodeAt(0).toString(16).padStart(2, "0")
                      : "\\u" + c.charCodeAt(0).toString(16).padStart(4, "0")));
}

/* ---- tokens ------------------------------------------------------------------------------------ */

function placeTip(x, y) {
    tip.hidden = false;
    const box = tip.getBoundingClientRect(), room = document.documentElement.clientWidth;
    const left = Math.max(8, Math.min(x - box.width / 2, room - box.width - 8));
    const top = y - box.height - 14 > 4 ? y - box.height - 14 : y + 22;
    tip.style.transform = `translate(${Math.round(left)}px, ${Math.round(top)}px)`;
}

function showTip(node, lines, x, y) {
    const box = node.getBoundingClientRect();
    tip.replaceChildren(el("b", null, lines[0]), ...lines.slice(1).map(line => el("div", null, line)));
    placeTip(x === undefined ? box.left + box.width / 2 : x, y === undefined ? box.top : y);
}

const hideTip = () => { tip.hidden = true; };
addEventListener("scroll", hideTip, {passive: true});
addEventListener("keydown", event => { if (event.key === "Escape") hideTip(); });

function tokenLines(token, sign) {
    const lines = [shown(token.text) || "(empty)"];
    if (typeof token.value === "number") lines.push(`value ${number(sign * token.value, 3)}`);
    if (typeof token.real === "number") lines.push(`real ${number(token.real, 3)}`);
    if (typeof token.simulated === "number") lines.push(`simulated ${number(token.simulated, 3)}`);
    if (typeof token.id === "number") lines.push(`id ${token.id}`);
    if (typeof token.probability === "number")
        lines.push(`probability ${token.probability >= .001 ? percent(Math.round(1000 * token.probability) / 1000)
                                                            : token.probability.toExponential(1)}`);
    if (token.text_bytes) lines.push(`bytes ${token.text_bytes.match(/../g).join(" ")}`);
    return lines;
}

/* A token in running text: without the leading space that it may carry. */
const bare = text => text.trim() === "" ? shown(text.replace(/ /g, "␣")) : shown(text[0] === " " ? text.slice(1) : text);

/* A span for one token; heat in [-1, 1], of which the faintest is not shown. */
function tokenSpan(text, heat) {
    const span = el("span.tok", null, text.length > 300 ? shown(text.slice(0, 300)) + "…" : shown(text));
    if (Math.abs(heat) >= .05) {
        span.style.setProperty("--heat", Math.min(1, Math.abs(heat)).toFixed(3));
        span.classList.toggle("cold", heat < 0);
    }
    return span;
}

/* A line of tokens: hover, touch, or focus and the arrow keys tell the figures of each. */
function tokenLine(tokens, options) {
    const {scale = 0, sign = 1, value = t => sign * t.value, lines = t => tokenLines(t, sign), label, mark} = options || {};
    const spans = tokens.map(t => tokenSpan(t.text, scale > 0 ? value(t) / scale : 0));
    if (mark) spans.slice(mark[0], mark[1] + 1).forEach(span => span.classList.add("trigger"));
    // A leading space belongs to the token, but the colour looks better without it.
    const parts = spans.flatMap((span, i) => {
        const space = span.textContent.length > 1 && span.textContent[0] === " ";
        if (space) span.textContent = span.textContent.slice(1);
        return space && i > 0 ? [" ", span] : [span];
    });
    const line = el("p.tokens", {tabindex: 0, role: "group", dir: "auto", "aria-label": label}, parts);
    let at = -1;
    const show = (i, x, y) => {
        if (at >= 0) spans[at].classList.remove("here");
        at = i;
        if (i >= 0) {
            if (x === undefined) spans[i].classList.add("here");
            showTip(spans[i], lines(tokens[i]), x, y);
        } else hideTip();
    };
    line.addEventListener("pointermove", event => {
        const i = spans.indexOf(event.target);
        if (i >= 0) show(i, event.clientX, spans[i].getClientRects()[0].top);
    });
    line.addEventListener("pointerdown", event => {
        const i = spans.indexOf(event.target);
        if (i >= 0) show(i, event.clientX, event.clientY);
    });
    line.addEventListener("pointerleave", event => { if (event.pointerType === "mouse") show(-1); });
    line.addEventListener("blur", () => show(-1));
    line.addEventListener("keydown", event => {
        const step = {ArrowRight: 1, ArrowLeft: -1}[event.key];
        if (event.key === "Home") show(0);
        else if (event.key === "End") show(spans.length - 1);
        else if (step) show(Math.max(0, Math.min(spans.length - 1, at + step)));
        else return;
        event.preventDefault();
    });
    return line;
}

const warmth = () => ({scale: subject.scale || 0, sign: sign()});
const sign = () => about().target.sign;
const about = () => subject.runs[subject.run];
const targetName = run => (run.target.sign < 0 ? "−" : "") + shown(run.target.name);

/* ---- the sections ------------------------------------------------------------------------------ */

function stat(name, value) {
    return value === null ? null : el("div", null, el("dt", null, name), el("dd", null, value));
}

/* The words that hold most of a sentence's activation: from where to where. */
const trigger = dream => dream.sentence && typeof dream.sentence.peak === "number"
    ? [dream.sentence.trigger || 0, dream.sentence.peak] : undefined;

/* The sentence once more with one word exchanged, so that it falls silent. */
function pairLine(dream) {
    const {pair} = dream.sentence;
    const words = dream.tokens.map((t, i) => i === pair.at
        ? [t.text[0] === " " && i > 0 ? " " : "", el("s", null, bare(t.text)), " ", el("ins", null, bare(pair.text))]
        : i === 0 ? bare(t.text) : shown(t.text));
    return el("div.card", {id: "pair"}, el("h3", null, "One word silences it"),
        el("p.variant", {dir: "auto"}, words),
        el("p.quiet", null, `g ${number(dream.activation, 1)} falls to ${number(pair.activation, 1)}; `
            + `the sentence becomes ${number(Math.abs(pair.nats), 1)} nats ${pair.nats < 0 ? "more" : "less"} likely`));
}

/* The words that may stand in the place of others. */
function slotLine(dream) {
    const at = new Map();
    for (const slot of dream.sentence.slots || []) at.set(slot.at, [...(at.get(slot.at) || []), slot]);
    const words = dream.tokens.map((t, i) => {
        if (!at.has(i)) return i === 0 ? bare(t.text) : shown(t.text);
        return [t.text[0] === " " && i > 0 ? " " : "", el("span.slot", {tabindex: 0,
            title: at.get(i).map(s => `${bare(s.text)}: g ${number(s.activation, 1)}`).join(", ")},
            [bare(t.text), ...at.get(i).map(s => bare(s.text))].map((w, k) => el(k ? "i" : "b", null, w)))];
    });
    return el("div.card", {id: "slots"}, el("h3", null, "These words keep it firing"), el("p.variant", {dir: "auto"}, words));
}

function meaning() {
    const dream = subject.headline;
    if (!dream || !dream.sentence) return null;
    const cards = [];
    if (dream.sentence.pair) cards.push(pairLine(dream));
    if ((dream.sentence.slots || []).length) cards.push(slotLine(dream));
    return cards.length ? el("section.pair", null, cards) : null;
}

function opening() {
    const run = about(), dream = subject.headline;
    const head = el("p.eyebrow", null, shown(subject.model));
    const chosen = subject.explanations.find(e => e.chosen);
    if (!dream) return el("section.opening", null, head, el("h1", null, targetName(run),
        chosen ? ` fires on “${shown(chosen.text)}”` : " has no dream yet"));
    const second = typeof dream.second_bits_per_byte === "number", window = subject.strongest_window;
    return el("section.opening.dream", {id: "dream"}, head,
        el("h1", null, targetName(run), " dreams of"),
        tokenLine(dream.tokens, {...warmth(), mark: trigger(dream), label: "The dream: " + shown(dream.text)}),
        el("dl.stats", null,
            stat("deviations above its mean", number(dream.activation, 1)),
            stat(typeof subject.median === "number" ? `nats per token (median of the corpus ${number(subject.median)})` : "nats per token",
                number(dream.cross_entropy)),
            typeof dream.bits_per_byte === "number" ? stat("bits per byte", number(dream.bits_per_byte)) : null,
            window > 0 ? stat("the strongest corpus window", "× " + times(dream.activation / window)) : null,
            dream.sentence && typeof dream.sentence.corpus_activation === "number" && dream.sentence.corpus_activation > 0
                ? stat("the corpus's strongest sentence", "× " + times(dream.activation / dream.sentence.corpus_activation)) : null,
            dream.sentence && typeof dream.sentence.fluency === "number"
                ? stat("of the corpus's sentences are less fluent", percent(dream.sentence.fluency)) : null,
            second ? stat("bits per byte" + (run.fluency ? " under " + shown(run.fluency.name) : ", second model"),
                number(dream.second_bits_per_byte)) : null),
        subject.scale > 0 ? el("p.ramp", null, el("span", null, "0"), el("i"), el("span", null, number(subject.scale, 2)),
            el("span", null, "its value at each token")) : null,
        el("p.quiet.hint", null, "Point at a word, or tab to a line and use the arrow keys, to read its figures."));
}

function figuresOf(dream) {
    const run = typeof dream.run === "number" ? subject.runs[dream.run] : null;
    const parts = [`g ${number(dream.activation, 1)}`];
    if (typeof dream.cross_entropy === "number") parts.push(`${number(dream.cross_entropy)} nats per token`);
    if (typeof dream.second_bits_per_byte === "number") parts.push(`${number(dream.second_bits_per_byte)} bits per byte`);
    if (run) parts.push(`${shown(run.label)}, seed ${dream.seed}`);
    if (dream.source) parts.push(`${shown(dream.source.file)}${typeof dream.source.offset === "number" ? ", byte " + count(dream.source.offset) : ""}`);
    return el("p.quiet", null, parts.join(" · "));
}

function beside() {
    const cards = [];
    if (subject.naive)
        cards.push(el("div.card", {id: "naive"}, el("h3", null, "What plain gradient ascent finds"),
            tokenLine(subject.naive.tokens, {...warmth(), label: "Naive: " + shown(subject.naive.text)}), figuresOf(subject.naive)));
    if (subject.examples.length)
        cards.push(el("div.card", {id: "corpus"}, el("h3", null, "The strongest place in the corpus"),
            tokenLine(subject.examples[0].tokens, {...warmth(), label: "Corpus example"}), figuresOf(subject.examples[0])));
    return cards.length ? el("section.pair", null, cards) : null;
}

function list(title, id, lede, items) {
    if (!items.length) return null;
    return el("section", {id}, el("h2", null, title), el("p.lede", null, lede),
        el("ol.others", null, items.map(d => el("li", null, tokenLine(d.tokens, {...warmth(), mark: trigger(d)}), figuresOf(d)))));
}

/* ---- the scatter -------------------------------------------------------------------------------- */

function figure(name) {
    const plots = name === "compare" ? document.querySelector("#figures .side")
        : document.querySelectorAll("#figures .plots")[report.subjects.indexOf(subject)];
    const parts = [...plots.querySelectorAll(":scope > ." + name)];
    const frame = el("div.frame", null, parts);
    leave.push(() => plots.append(...parts));
    return frame;
}

/* Entries of the legend switch their marks and lines. */
function legend(frame) {
    for (const key of frame.querySelectorAll(".key")) {
        key.setAttribute("tabindex", 0);
        key.setAttribute("role", "button");
        const group = key.dataset.group, flip = () => {
            const off = !key.classList.contains("off");
            for (const node of frame.querySelectorAll(`[data-group="${group}"]`)) node.classList.toggle("off", off);
            for (const other of frame.querySelectorAll(`.key[data-group="${group}"]`)) other.setAttribute("aria-pressed", !off);
        };
        key.setAttribute("aria-pressed", "true");
        key.onclick = event => { event.stopPropagation(); flip(); };
        key.onkeydown = event => {
            if (event.key !== "Enter" && event.key !== " ") return;
            event.preventDefault();
            event.stopPropagation();
            flip();
        };
    }
}

function read(reader, i) {
    const point = subject.points[i];
    const isWindow = point.kind !== undefined;
    reader.replaceChildren(
        el("h3", null, isWindow ? "A corpus window" : `A dream of ${shown(subject.runs[point.run].label)}`),
        tokenLine(point.tokens, {...warmth(), label: shown(point.text || "")}), figuresOf(point));
}

function scatter() {
    if (!subject.points.length) return null;
    const frame = figure("scatter"), reader = el("div.card", {id: "reader", "aria-live": "polite"});
    const order = subject.points.map((p, i) => i).sort((a, b) => subject.points[a].cross_entropy - subject.points[b].cross_entropy);
    let chosen = -1;
    const marksOf = i => frame.querySelectorAll(`.mark[data-mark="${i}"]`);
    const choose = i => {
        for (const mark of frame.querySelectorAll(".mark.chosen")) mark.classList.remove("chosen");
        for (const mark of marksOf(i)) {
            mark.classList.add("chosen");
            mark.parentNode.append(mark); // in front of its neighbours
        }
        chosen = i;
        read(reader, i);
    };
    legend(frame);
    for (const svg of frame.querySelectorAll("svg")) {
        const marks = [...svg.querySelectorAll(".mark[data-mark]")];
        const visible = mark => !mark.parentNode.classList.contains("off");
        const nearest = event => {
            let best = null, least = 24;
            for (const mark of marks.filter(visible)) {
                const box = mark.getBoundingClientRect();
                const distance = Math.hypot(event.clientX - box.left - box.width / 2, event.clientY - box.top - box.height / 2);
                if (distance < least) [best, least] = [mark, distance];
            }
            return best;
        };
        const point = mark => {
            for (const other of svg.querySelectorAll(".near")) other.classList.remove("near");
            if (!mark) return hideTip();
            mark.classList.add("near");
            const p = subject.points[mark.dataset.mark];
            showTip(mark, [shown(p.text || p.tokens.map(t => t.text).join("")).slice(0, 200), `g ${number(p.activation, 1)}`,
                `${number(p.cross_entropy)} nats per token`, p.kind !== undefined ? "corpus window" : `${shown(subject.runs[p.run].label)}, seed ${p.seed}`]);
        };
        svg.setAttribute("tabindex", 0);
        svg.setAttribute("role", "application");
        svg.addEventListener("pointermove", event => point(nearest(event)));
        svg.addEventListener("pointerleave", () => point(null));
        svg.addEventListener("click", event => {
            const mark = nearest(event);
            if (mark) choose(Number(mark.dataset.mark));
        });
        svg.addEventListener("keydown", event => {
            const step = {ArrowRight: 1, ArrowLeft: -1}[event.key];
            if (!step) return;
            event.preventDefault();
            const seen = order.filter(i => marks.some(m => Number(m.dataset.mark) === i && visible(m)));
            if (!seen.length) return;
            choose(seen[Math.max(0, Math.min(seen.length - 1, seen.indexOf(chosen) + step))]);
        });
        svg.addEventListener("blur", hideTip);
    }
    const first = subject.headline ? subject.points.findIndex(p => p.kind === undefined && p.run === subject.headline.run &&
        p.text === subject.headline.text) : 0;
    choose(Math.max(0, first));
    return el("section", {id: "frontier"}, el("h2", null, "Activation against fluency"),
        el("p.lede", null, "Up is a stronger response, left is more ordinary text. Each line follows the best that a method has at that fluency. " +
            "Choose a mark to read its text; the entries of the legend switch methods off and on."), frame, reader);
}

/* ---- attribution --------------------------------------------------------------------------------- */

function attribution() {
    const data = subject.attribution;
    if (!data || !data.tokens.length || !(data.activation > 0)) return null;
    const details = el("div.swaps", {"aria-live": "polite"});
    const share = drop => Math.max(0, Math.min(1, drop / data.activation));
    const phrase = r => `“${bare(r.text)}”  g ${number(r.activation, 1)}  (${r.drop > 0 ? "−" : "+"}${percent(Math.abs(r.drop / data.activation))})`;
    const buttons = data.tokens.map(token => {
        const span = tokenSpan(token.text, token.worst ? share(token.worst.drop) : 0);
        span.textContent = bare(token.text);
        const rest = el("i");
        rest.style.setProperty("--share", token.best ? share(token.best.drop).toFixed(3) : 0);
        const button = el("button.word", {type: "button", "aria-pressed": "false"}, span, el("span.rest", null, rest));
        const lines = [shown(token.text), token.worst && "at worst " + phrase(token.worst), token.best && "at best " + phrase(token.best)].filter(Boolean);
        button.addEventListener("pointerenter", event => { if (event.pointerType === "mouse") showTip(span, lines); });
        button.addEventListener("pointerleave", hideTip);
        button.addEventListener("click", () => {
            for (const other of buttons) other.setAttribute("aria-pressed", other === button);
            details.replaceChildren(el("h3", null, "In place of “", bare(token.text), "”"),
                el("div.scroll", null, el("table", null, el("tbody", null,
                    [...(token.top || []).map((r, k) => [k ? "" : "best", r]), ...(token.worst ? [["worst", token.worst]] : [])]
                        .map(([kind, r]) => el("tr", null, el("td", null, kind), el("td.text", null, "“", bare(r.text), "” ", el("span.quiet", null, `id ${r.id}`)),
                            el("td", null, "g " + number(r.activation, 1)),
                            el("td", null, (r.drop > 0 ? "−" : "+") + percent(Math.abs(r.drop / data.activation)))))))));
        });
        return button;
    });
    let most = 0;
    data.tokens.forEach((t, i) => { if (t.best && t.best.drop > ((data.tokens[most].best || {}).drop || 0)) most = i; });
    buttons[most].click();
    return el("section", {id: "attribution"}, el("h2", null, "What each token does"),
        el("p.lede", null, "Every token was replaced by the candidates that the gradient likes best. The colour is the worst loss among them, " +
            "the bar the smallest: one with a long bar can hardly be replaced."),
        el("div.card", null, el("div.words", {dir: "auto"}, buttons), details));
}

/* ---- trajectory ---------------------------------------------------------------------------------- */

function trajectory() {
    const stages = subject.stages.filter(s => s.members && s.members.length);
    if (!subject.stages.length) return null;
    const frame = figure("trajectory");
    legend(frame);
    const limit = typeof subject.median === "number" ? subject.median : Infinity;
    const best = members => members.reduce((a, b) => {
        const fluent = m => m.cross_entropy <= limit;
        if (fluent(a) !== fluent(b)) return fluent(a) ? a : b;
        return fluent(a) ? (a.activation >= b.activation ? a : b) : (a.cross_entropy <= b.cross_entropy ? a : b);
    });
    return el("section", {id: "trajectory"}, el("h2", null, "How the search went"),
        el("p.lede", null, "Frontier area is the mean of the best activation over fluency limits from 3 to 9 nats per token."), frame,
        stages.length ? el("details", null, el("summary", null, "The best fluent text along the way"),
            el("div.scroll", null, el("table", null,
                el("thead", null, el("tr", null, ["forward tokens", "g", "nats"].map(t => el("th", null, t)), el("th.text", null, "text"))),
                el("tbody", null, stages.map(s => {
                    const m = best(s.members);
                    return el("tr", null, el("td", null, count(s.forward_tokens)), el("td", null, number(m.activation, 1)),
                        el("td", null, number(m.cross_entropy)), el("td.text", null, shown(m.text)));
                }))))) : null);
}

/* ---- explanation --------------------------------------------------------------------------------- */

function simulated(record, scale) {
    const lines = t => tokenLines(t, 1);
    return [el("p.head", null, shown(record.kind || "held out"),
            typeof record.score === "number" ? `, correlation ${number(record.score)}` : ""),
        el("span.quiet", null, "real"), tokenLine(record.tokens, {scale, value: t => t.real, lines, label: "real"}),
        el("span.quiet", null, "simulated"), tokenLine(record.tokens, {scale, value: t => t.simulated, lines, label: "simulated"})];
}

/* The name of a score. Explanations are chosen on other texts than the chosen one is tested on. */
function scoreName(score) {
    const names = {r_squared: "R²", deviation: "deviation explained", accuracy: "balanced accuracy", area: "AUC"};
    return `${shown(score.scorer)}: ${names[score.measure] || shown(score.measure)}`;
}

function scoreCell(s) {
    if (!s) return el("td", null, "–");
    if (typeof s.value !== "number") return el("td", {title: shown(s.why || "")}, "undefined");
    return el("td", null, number(s.value), typeof s.low === "number" ? el("span.quiet", null, ` ${number(s.low)} to ${number(s.high)}`) : "");
}

/* A row for each measure; the chosen one and the baselines side by side. */
function tested(all) {
    const scores = e => (e.scores || []).filter(s => s.split !== "valid");
    const columns = all.filter(e => scores(e).length);
    const measures = [...new Set(columns.flatMap(e => scores(e).map(scoreName)))];
    return el("div.scroll", null, el("table", null,
        el("thead", null, el("tr", null, el("th", null, "on held-out texts"),
            columns.map(e => el("th", {title: shown(e.text || "")}, e.baseline ? shown(e.baseline) : "the explanation")))),
        el("tbody", null, measures.map(m => el("tr", null, el("td.text", null, m),
            columns.map(e => scoreCell(scores(e).find(s => scoreName(s) === m))))))));
}

/* What else was proposed, with the score by which one was chosen. */
function proposed(all) {
    const own = all.filter(e => !e.baseline), valid = e => (e.scores || []).find(s => s.split === "valid");
    if (own.length < 2) return null;
    return el("details", null, el("summary", null, `All ${own.length} proposals`), el("div.scroll", null, el("table", null,
        el("thead", null, el("tr", null, el("th", null, "proposal"), el("th", null, "correlation on the texts that chose"))),
        el("tbody", null, own.map(e => el("tr", null, el("td.text", null, e.chosen ? el("b", null, shown(e.text)) : shown(e.text),
            e.revision ? el("span.quiet", null, " (second round)") : ""), scoreCell(valid(e))))))));
}

function explanation() {
    const all = subject.explanations, chosen = all.find(e => e.chosen);
    if (!chosen) return null;
    const made = [chosen.explainer && "by " + shown(chosen.explainer), chosen.evidence && "from " + shown(chosen.evidence),
        chosen.revision ? "revised on counterexamples" : "", chosen.simulator && "simulated by " + shown(chosen.simulator)].filter(Boolean);
    const records = (chosen.records || []).slice().sort((a, b) => Boolean(b.failed) - Boolean(a.failed));
    const failed = records.filter(r => r.failed), good = records.filter(r => !r.failed);
    const scale = Math.max(...records.flatMap(r => r.tokens.map(t => Math.max(t.real, t.simulated || 0))), 1e-9);
    const rows = list => el("div.rows", null, list.map(r => simulated(r, scale)));
    return el("section", {id: "explanation"}, el("h2", null, "What a language model makes of it"),
        el("div.card", null, el("p.claim", null, "“" + shown(chosen.text) + "”"), el("p.quiet", null, made.join(" · "))),
        tested(all), proposed(all),
        good.length ? rows(good) : null,
        failed.length ? el("div", {id: "failed"}, el("h3", null, "Where it is most wrong"), rows(failed)) : null);
}

/* ---- methods, provenance --------------------------------------------------------------------------- */

function tone(method) {
    const style = report.methods.indexOf(method), dot = el("span.swatch.plot");
    dot.style.setProperty("--tone", `var(--s${style < 0 ? 7 : style % 7})`);
    dot.style.display = "inline-block";
    dot.style.width = ".7em";
    dot.style.height = ".7em";
    return dot;
}

function methods() {
    if (!document.querySelector("#figures .side")) return null; // one run has nothing beside it
    const frame = figure("compare");
    legend(frame);
    const timed = report.rows.some(r => "reaches" in r);
    const heads = ["", "runs", "best(4)", "best(5)", "best(6)", "area", "win(4)", "win(6)", "win", "spread", "seconds", ...(timed ? ["reach"] : [])];
    return el("section", {id: "methods"}, el("h2", null, "Methods side by side"),
        el("p.lede", null, "best(x): the strongest activation at a cross-entropy of at most x. win(x): how often that is above the corpus's; win: above the strongest " +
            "window at 3 to 9 nats. Medians over runs; spread: interquartile range of the area over seeds, divided by its median." +
            (timed ? " Reach: seconds until the area is that of the published search at its end." : "")), frame,
        el("div.scroll", null, el("table", null, el("thead", null, el("tr", null, heads.map(h => el("th", null, h)))),
            el("tbody", null, report.rows.map(r => el("tr", null,
                el("td", null, tone(r.method), shown(r.method), r.budget ? el("span.quiet", null, ` ${count(r.budget)}`) : ""),
                el("td", null, r.runs ? r.runs : "–"),
                ["4", "5", "6"].map(x => el("td", null, number(r.best[x], 1))), el("td", null, number(r.area, 1)),
                [r.wins_4, r.wins_6, r.wins_published, r.spread].map(x => el("td", null, percent(x))),
                el("td", null, number(r.seconds, 1)), timed ? el("td", null, number(r.reach, 1)) : null))))));
}

function facts(run) {
    const rows = [
        ["target", shown(run.target.written || run.target.name) + (run.target.position ? `, read at ${shown(run.target.position)}` : "")],
        ["model", [run.model.name, run.model.format, run.model.quantisation, run.model.processing && `weights: ${run.model.processing}`,
            run.model.parameters && count(run.model.parameters) + " parameters"].filter(Boolean).map(shown).join(", ")],
        ["weights", run.model.hash && shown(run.model.hash)],
        ["second model", run.fluency && shown(run.fluency.name)],
        ["tokenizer", run.tokenizer && shown(run.tokenizer)],
        ["first token", run.bos && (run.bos.added ? `${shown(run.bos.token || "")} (${run.bos.id})` : "none") + (run.bos.why ? `: ${shown(run.bos.why)}` : "")],
        ["template", run.template && (run.template.prefix || run.template.suffix) ? `${shown(run.template.prefix || "")} … ${shown(run.template.suffix || "")}` : null],
        ["normalisation", run.normalisation && `g = (${run.normalisation.sign < 0 ? "−" : ""}f ${run.normalisation.sign * run.normalisation.mean > 0 ? "−" : "+"} ` +
            `${number(Math.abs(run.normalisation.mean), 4)}) / ${number(run.normalisation.deviation, 4)}` +
            (run.normalisation.corpus ? `, from ${shown(run.normalisation.corpus)}` : "") + (run.normalisation.positions ? `, ${count(run.normalisation.positions)} positions` : "")],
        ["method", `${shown(run.label)}, seed ${run.seed}, budget ${count(run.budget)} forward tokens`],
        ["options", run.options && shown(JSON.stringify(run.options))],
        ["length", run.length && (run.length.least === run.length.most ? `${run.length.most} tokens` : `${run.length.least} to ${run.length.most} tokens`)],
        ["spent", run.end && `${count(run.end.forward_tokens)} forward and ${count(run.end.backward_tokens || 0)} backward tokens` +
            (typeof run.end.seconds === "number" ? `, ${number(run.end.seconds, 1)} s` : "") + `, ${shown(run.end.status)}`],
        ["made with", ["Reverie " + (run.version || "?"), run.compiler, run.kernels, run.precision, run.threads && plural(run.threads, "thread")].filter(Boolean).map(shown).join(", ")],
        ["started", run.started && shown(run.started)],
    ];
    return el("dl.facts", null, rows.filter(([, v]) => v).flatMap(([k, v]) => [el("dt", null, k), el("dd", null, v)]));
}

function command(run) {
    if (!run.command) return null;
    const code = el("code", null, shown(run.command)), button = el("button.copy", {type: "button"}, "Copy");
    button.onclick = async () => {
        try {
            await navigator.clipboard.writeText(run.command);
            button.textContent = "Copied";
        } catch {
            getSelection().selectAllChildren(code);
            button.textContent = "Selected";
        }
        setTimeout(() => { button.textContent = "Copy"; }, 1600);
    };
    return el("div.card.command", null, code, button);
}

function provenance() {
    const run = about(), rest = subject.runs.filter(r => r !== run), notes = subject.runs.flatMap(r => r.notes);
    return el("section", {id: "provenance"}, el("h2", null, "Where this comes from"),
        el("p.lede", null, "The command that repeats it, and everything that decides what it finds."), command(run), facts(run),
        [...new Set(notes)].map(n => el("p.quiet", null, shown(n))),
        rest.length ? el("details", null, el("summary", null, `${plural(rest.length, "other run")} on this page`),
            el("div.scroll", null, el("table", null, el("thead", null, el("tr", null, ["method", "seed", "area", "best(6)", "seconds", "status"].map(h => el("th", null, h)))),
                el("tbody", null, rest.map(r => el("tr", null, el("td", null, tone(r.label), shown(r.label)), el("td", null, r.seed),
                    el("td", null, number(r.figures && r.figures.area, 1)), el("td", null, number(r.figures && r.figures.best["6"], 1)),
                    el("td", null, number(r.figures && r.figures.seconds, 1)), el("td", null, shown(r.end ? r.end.status : "did not end")))))))) : null);
}

/* ---- the page -------------------------------------------------------------------------------------- */

function show(i) {
    for (const undo of leave.splice(0)) undo();
    subject = report.subjects[i];
    main.replaceChildren(...[opening, meaning, beside,
        () => subject.headline && subject.headline.sentence
            ? list("Other senses", "others", "The best sentence of each.", subject.others)
            : list("Other dreams", "others", "Unlike it and unlike each other.", subject.others),
        scatter, attribution, trajectory, explanation,
        () => list("More of the corpus", "examples", "The strongest places, in their own context.", subject.examples.slice(1)),
        methods, provenance].map(section => section()).filter(Boolean));
    document.title = `${targetName(about())}, ${shown(subject.model)} · Reverie`;
}

function chooser() {
    const label = document.getElementById("subjects"), select = label.querySelector("select");
    label.hidden = report.subjects.length < 2;
    report.subjects.forEach((s, i) => {
        const run = s.runs[s.run];
        select.append(el("option", {value: i}, `${targetName(run)}, ${shown(s.model)}`.slice(0, 80)));
    });
    select.onchange = () => { show(Number(select.value)); scrollTo(0, 0); };
}

/* Light, dark, or as the system has it. */
function theme() {
    const button = document.getElementById("theme"), names = {auto: "System", light: "Light", dark: "Dark"}, icons = {auto: "◐", light: "○", dark: "●"};
    const keys = Object.keys(names);
    let chosen = "auto";
    try { chosen = localStorage.getItem("reverie-theme") || "auto"; } catch { /* no storage for files here */ }
    if (!keys.includes(chosen)) chosen = "auto";
    const apply = () => {
        if (chosen === "auto") delete document.documentElement.dataset.theme;
        else document.documentElement.dataset.theme = chosen;
        button.textContent = `${icons[chosen]} ${names[chosen]}`;
        button.setAttribute("aria-label", `Colours: ${names[chosen]}`);
    };
    button.onclick = () => {
        chosen = keys[(keys.indexOf(chosen) + 1) % keys.length];
        try { localStorage.setItem("reverie-theme", chosen); } catch { /* see above */ }
        apply();
    };
    button.hidden = false;
    apply();
}

theme();
chooser();
show(0);
document.getElementById("figures").hidden = true;
document.getElementById("foot").textContent = `Made by Reverie ${report.version}. This page loads nothing from anywhere.`;
})();
