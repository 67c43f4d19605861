  /* Bits: a tile for each channel, a pixel for each bit */

  // Shows an answer's bits of a layer, numbers or digits, or none.
  function light({ layer, canvas, count }, bits) {
    const { channels, height, width } = layer;
    // Tiles in rows of 4, 8, 16 or 32, whichever makes them nearest to a good size, as far
    // apart as fills the width; whole device pixels, so that every bit has the same size.
    const room = canvas.parentElement.clientWidth, scale = devicePixelRatio;
    const good = height * width === 1 ? 12 : room < 600 ? 34 : 52;
    const far = n => Math.abs(Math.log(room / n / 1.15 / good));
    const columns = [4, 8, 16, 32, 64].reduce((a, b) => far(b) < far(a) ? b : a);
    const most = Math.min(room / columns / 1.12, 2 * good) / Math.max(width, height);
    const cell = Math.max(1, Math.floor(most * scale)) / scale;
    const pitch = (room - width * cell) / (columns - 1);
    const gap = pitch - width * cell, snap = v => Math.round(v * scale) / scale;
    const rows = Math.ceil(channels / columns);
    const w = room, h = rows * (height * cell + gap) - gap;
    canvas.width = Math.round(w * scale);
    canvas.height = Math.round(h * scale);
    canvas.style.height = h + "px";
    const draw = canvas.getContext("2d");
    draw.setTransform(scale, 0, 0, scale, 0, 0);
    const [on, off] = [colour("--bits"), colour("--off")];
    let lit = 0;
    for (let c = 0; c < channels; c++) {
      const left = snap(c % columns * pitch), top = snap(Math.floor(c / columns) * (height * cell + gap));
      draw.fillStyle = off;
      draw.fillRect(left, top, width * cell, height * cell);
      draw.fillStyle = on;
      for (let i = 0; bits && i < height * width; i++) {
        if (Number(bits[c * height * width + i]) !== 1) continue;
        lit++;
        draw.fillRect(left + i % width * cell, top + Math.floor(i / width) * cell, cell, cell);
      }
    }
    const all = channels * height * width;
    count.textContent = bits ? `${grouped(lit)} of ${grouped(all)} bits are 1` : `${grouped(all)} bits`;
    canvas.setAttribute("aria-label", `Bits after ${layer.name}: ${count.textContent}`);
  }

  // A card with a map for each layer.
  function mapsOf(layers) {
    if (!layers.length) {
      $("layers").innerHTML = '<p class="soft small">This network has no binary layer, so there are no bits to show.</p>';
    }
    return layers.map((layer, i) => {
      const box = Object.assign(document.createElement("section"), { className: "card layer" });
      box.innerHTML = '<div class="head"><h2></h2><span class="soft small shape"></span><span class="soft small numbers count"></span></div><div><canvas role="img"></canvas></div>';
      box.querySelector("h2").textContent = layers.length > 1 ? `Bits of binary layer ${i + 1}` : "Bits of the binary layer";
      const { name, channels, height, width } = layer;
      box.querySelector(".shape").textContent = `after ${name}, ` +
        (height * width === 1 ? `${channels} units` : `${channels} channels of ${height} × ${width}`);
      $("layers").append(box);
      return { layer, canvas: box.querySelector("canvas"), count: box.querySelector(".count") };
    });
  }
