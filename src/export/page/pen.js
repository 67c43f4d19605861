  const $ = id => document.getElementById(id);
  const colour = name => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const percent = p => p === null ? "?" : p > 0.9995 && p < 1 ? ">99.9 %" : (100 * p).toFixed(1) + " %";
  const grouped = n => n.toLocaleString("en");
  const time = us => us < 100 ? us.toFixed(1) : grouped(Math.round(us));

  // A screen reader hears what `say` says where the hand has come to rest.
  let heard = 0;
  function hear(say) {
    clearTimeout(heard);
    heard = setTimeout(() => { $("heard").textContent = say(); }, 500);
  }

  /* Ink: lists of points, 0 to 1 across and down, as lines of a picture */

  // The side of what is sent, and the width of a line in it: thin enough for the
  // loops of an 8, thick enough to be MNIST's ink once it is scaled down.
  const SIDE = 112, LINE = 9;

  function trace(context, side, line, style, strokes) {
    context.lineCap = context.lineJoin = "round";
    context.lineWidth = line;
    context.strokeStyle = context.fillStyle = style;
    for (const points of strokes) {
      context.beginPath();
      // A line of no length would leave nothing; a tap leaves a dot.
      context.arc(points[0].x * side, points[0].y * side, line / 2, 0, 2 * Math.PI);
      context.fill();
      context.beginPath();
      context.moveTo(points[0].x * side, points[0].y * side);
      // Curves through the middles, so that a quick hand is not an angular one.
      for (let i = 1; i < points.length; i++) {
        const a = points[i - 1], b = points[i];
        context.quadraticCurveTo(a.x * side, a.y * side, (a.x + b.x) / 2 * side, (a.y + b.y) / 2 * side);
        if (i === points.length - 1) context.lineTo(b.x * side, b.y * side);
      }
      context.stroke();
    }
  }

  const small = Object.assign(document.createElement("canvas"), { width: SIDE, height: SIDE });
  const ink = small.getContext("2d", { willReadFrequently: true });
  function inkOf(strokes) {
    ink.fillStyle = "#000";
    ink.fillRect(0, 0, SIDE, SIDE);
    trace(ink, SIDE, LINE, "#fff", strokes);
    const pixels = ink.getImageData(0, 0, SIDE, SIDE).data;
    return Array.from({ length: SIDE * SIDE }, (_, i) => pixels[4 * i]);
  }

  // An image that a network was shown, a byte a pixel, on a canvas of its size.
  function paint(canvas, width, height, image) {
    [canvas.width, canvas.height] = [width, height];
    const context = canvas.getContext("2d");
    const picture = context.createImageData(width, height);
    for (let i = 0; i < width * height; i++) {
      picture.data.fill(image ? image[i] : 0, 4 * i, 4 * i + 3);
      picture.data[4 * i + 3] = 255;
    }
    context.putImageData(picture, 0, 0);
  }

  /* The pen on the sheet: `changed` is called at every movement, `cleared` when all is gone */

  function penOn({ changed, cleared }) {
    const pad = $("pad"), sheet = $("sheet"), context = pad.getContext("2d");
    let strokes = [], pointer = null;

    function redraw() {
      const side = Math.max(1, Math.round(sheet.clientWidth * devicePixelRatio));
      if (pad.width !== side) pad.width = pad.height = side;
      context.clearRect(0, 0, side, side);
      trace(context, side, LINE * side / SIDE, colour("--ink"), strokes);
      $("hint").hidden = strokes.length > 0;
      $("clear").disabled = strokes.length === 0;
    }
    function point(event) {
      const box = pad.getBoundingClientRect();
      const clip = v => Math.min(1, Math.max(0, v));
      return { x: clip((event.clientX - box.left) / box.width), y: clip((event.clientY - box.top) / box.height) };
    }
    pad.addEventListener("pointerdown", event => {
      if (pointer !== null || (event.pointerType === "mouse" && event.button !== 0)) return;
      event.preventDefault();
      pointer = event.pointerId;
      pad.setPointerCapture(pointer);
      strokes.push([point(event)]);
      redraw();
      changed();
    });
    pad.addEventListener("pointermove", event => {
      if (event.pointerId !== pointer) return;
      const all = event.getCoalescedEvents ? event.getCoalescedEvents() : [];
      for (const one of all.length ? all : [event]) strokes.at(-1).push(point(one));
      redraw();
      changed();
    });
    for (const end of ["pointerup", "pointercancel"]) {
      pad.addEventListener(end, event => {
        if (event.pointerId === pointer) pointer = null;
      });
    }
    // A hand that is still down draws nothing more.
    function take(other) {
      pointer = null;
      strokes = other;
      redraw();
    }
    function clear() {
      take([]);
      cleared();
    }
    $("clear").addEventListener("click", clear);
    addEventListener("keydown", event => {
      if (event.key === "Escape") clear();
    });
    return { redraw, take, get strokes() { return strokes; } };
  }
