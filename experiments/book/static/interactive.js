/* Pictures that a reader moves. All numbers and sentences stand in the data (experiments/drawing/interactive.py): for the positions of
   the sliders they are looked up and drawn, and nothing else is computed here but places on the paper. */
"use strict";
(() => {
  const WIDTH = 340, LEFT = 52, RIGHT = 14, TOP = 12, BOTTOM = 42, HEIGHT = 290, MOST = 1e4;

  const make = (name, attributes, text = "") => {
    const element = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    element.textContent = text;
    return element;
  };

  /* What a value is for these positions of the sliders. */
  const pick = (value, at) => (value && value.on ? value.on.reduce((found, slider) => found[at[slider]], value.of) : value);
  const all = (value, n) => (Array.isArray(value) ? value : Array(n).fill(value));

  /* Numbers to places on the paper; far outside is outside. */
  const scale = (axis, from, to) => (v) =>
    v === null ? null : Math.max(-MOST, Math.min(MOST, from + ((v - axis.low) / (axis.high - axis.low)) * (to - from)));

  const places = (mark, at, sx, sy) => {
    const [x, y] = [pick(mark.x, at), pick(mark.y, at)];
    const n = pick(mark.first, at) ?? (Array.isArray(x) ? x.length : Array.isArray(y) ? y.length : 1);
    const [xs, ys] = [all(x, n), all(y, n)];
    return xs.slice(0, n).map((v, i) => (v === null || ys[i] === null ? null : [sx(v), sy(ys[i])]));
  };

  const STAR = Array.from({ length: 10 }, (_, i) => {
    const [angle, r] = [(Math.PI * i) / 5, i % 2 ? 3.4 : 8.5];
    return `${(r * Math.sin(angle)).toFixed(1)},${(-r * Math.cos(angle)).toFixed(1)}`;
  }).join(" ");

  const SHAPES = {
    o: ([x, y], look) => make("circle", { cx: x, cy: y, r: 4.5, class: `dot ${look}` }),
    s: ([x, y], look) => make("rect", { x: x - 6, y: y - 6, width: 12, height: 12, class: `dot ${look}` }),
    ring: ([x, y], look) => make("circle", { cx: x, cy: y, r: 12, class: `line ${look}` }),
    "*": ([x, y], look) => make("polygon", { points: STAR, transform: `translate(${x} ${y})`, class: `dot ${look}` }),
  };

  const DRAW = {
    line: (mark, at, sx, sy) => {
      let pen = "M";
      const path = places(mark, at, sx, sy).map((p) => {
        if (p === null) return (pen = "M"), "";
        const step = `${pen}${p[0].toFixed(1)} ${p[1].toFixed(1)}`;
        pen = "L";
        return step;
      });
      return [make("path", { d: path.join(""), class: `line ${pick(mark.look, at)}` })];
    },
    dots: (mark, at, sx, sy) => places(mark, at, sx, sy).filter((p) => p).map((p) => SHAPES[mark.shape](p, pick(mark.look, at))),
    bars: (mark, at, sx, sy) =>
      places(mark, at, sx, sy).filter((p) => p).map(([x, y]) => {
        const width = sx(mark.width) - sx(0), foot = sy(0);
        return make("rect", { x: x - width / 2, y: Math.min(y, foot), width, height: Math.abs(foot - y), class: `bar ${pick(mark.look, at)}` });
      }),
    cells: (mark, at, sx, sy) => {
      const found = pick(mark.values, at).flatMap((row, i) => row.map((v, j) => [v, i, j])), size = Math.abs(sx(1) - sx(0));
      return found.slice(0, pick(mark.first, at) ?? found.length).map(([v, i, j]) => {
        const look = mark.look === "ink" ? "ink" : v < 0 ? "below" : "above";
        const place = { x: sx(j) - size / 2, y: sy(i) - size / 2, width: size, height: size };
        return make("rect", { ...place, class: `cell ${look}`, "fill-opacity": Math.abs(v) });
      });
    },
    texts: (mark, at, sx, sy) => {
      const found = places(mark, at, sx, sy), texts = all(pick(mark.text, at), found.length);
      return found.map((p, i) => (p ? make("text", { x: p[0], y: p[1] - 4, class: "word" }, texts[i]) : make("g", {})));
    },
  };

  /* The frame of a panel, which does not move. Returns how to draw what does. */
  const frame = (panel, svg, id) => {
    const wide = WIDTH - LEFT - RIGHT;
    const high = panel.equal ? Math.abs((wide * (panel.y.high - panel.y.low)) / (panel.x.high - panel.x.low)) : HEIGHT - TOP - BOTTOM;
    const [right, foot] = [LEFT + wide, TOP + high];
    const [sx, sy] = [scale(panel.x, LEFT, right), scale(panel.y, foot, TOP)];
    svg.setAttribute("viewBox", `0 0 ${WIDTH} ${foot + BOTTOM}`);
    const clip = make("clipPath", { id });
    clip.append(make("rect", { x: LEFT, y: TOP, width: wide, height: high }));
    const axes = make("g", { class: "axes" });
    axes.append(make("path", { d: `M${LEFT} ${TOP}V${foot}H${right}` }));
    for (const [v, text] of panel.x.ticks) {
      axes.append(make("path", { d: `M${sx(v)} ${foot}v5` }), make("text", { x: sx(v), y: foot + 17, class: "under" }, text));
    }
    for (const [v, text] of panel.y.ticks) {
      axes.append(make("path", { d: `M${LEFT} ${sy(v)}h-5` }), make("text", { x: LEFT - 8, y: sy(v) + 4, class: "beside" }, text));
    }
    axes.append(make("text", { x: LEFT + wide / 2, y: foot + 35, class: "under" }, panel.x.label));
    axes.append(make("text", { transform: `translate(11 ${TOP + high / 2}) rotate(-90)`, class: "under" }, panel.y.label));
    const moving = make("g", { "clip-path": `url(#${id})` });
    svg.append(clip, axes, moving);
    return (at) => moving.replaceChildren(...panel.marks.flatMap((mark) => DRAW[mark.kind](mark, at, sx, sy)));
  };

  const percent = (weight) => (weight < 0.005 ? "" : Math.round(100 * weight));

  const begin = (figure, data, number) => {
    const start = data.sliders.map((slider) => slider.at);
    const at = [...start];
    const boxes = [...figure.querySelectorAll(".control")];
    const panels = [...figure.querySelectorAll("svg")].map((svg, i) => frame(data.panels[i], svg, `clip-${number}-${i}`));

    const write = (slider, i, box) => {
      if (slider.kind === "slider") {
        const range = box.querySelector("input");
        range.value = at[i];
        range.setAttribute("aria-valuetext", slider.written[at[i]]);
        box.querySelector("output").textContent = slider.written[at[i]];
        return;
      }
      const weights = pick(slider.weights, at);
      box.querySelectorAll("label").forEach((label, j) => {
        label.querySelector("input").checked = j === at[i];
        label.style.setProperty("--weight", weights[j]);
        label.querySelector("small").textContent = percent(weights[j]);
      });
    };

    const draw = () => {
      data.sliders.forEach((slider, i) => write(slider, i, boxes[i]));
      panels.forEach((panel) => panel(at));
      figure.querySelector(".says").textContent = data.says.map((part) => pick(part, at)).join(" ");
    };

    const move = (i, to) => {
      if (at[i] === to) return;
      at[i] = to;
      draw();
    };

    data.sliders.forEach((slider, i) => {
      boxes[i].querySelectorAll("input").forEach((input, j) => {
        input.disabled = false;
        input.addEventListener("input", () => move(i, slider.kind === "slider" ? Number(input.value) : j));
        if (slider.kind === "words") input.parentElement.addEventListener("pointerenter", () => move(i, j));
      });
    });
    let left;
    window.addEventListener("beforeprint", () => {
      left = [...at];
      at.splice(0, at.length, ...start);
      draw();
    });
    window.addEventListener("afterprint", () => {
      at.splice(0, at.length, ...left);
      draw();
    });
    draw();
  };

  document.querySelectorAll("figure.moving").forEach((figure, number) => begin(figure, window.gradtwin[number], number));
})();
