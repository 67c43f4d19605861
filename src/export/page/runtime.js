  /* The runtime: WebAssembly that is packed into the page. It is one stream of DEFLATE (RFC 1951) of
     the module without SIMD and of what turns that into the module with SIMD. */

  const ORDER = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];
  // Two digits of base 91 are 13 bits, the lowest first; the digits are `#` to `~` without `<`.
  function bytesOf(text) {
    const bytes = new Uint8Array(Math.floor(text.length / 2 * 13 / 8));
    const digit = i => { const c = text.charCodeAt(i); return c < 60 ? c - 35 : c - 36; };
    for (let i = 0, end = 0, held = 0, count = 0; i < text.length; i += 2) {
      held |= (digit(i) + 91 * digit(i + 1)) << count;
      for (count += 13; count >= 8 && end < bytes.length; count -= 8, held >>>= 8) bytes[end++] = held & 255;
    }
    return bytes;
  }

  // A canonical Huffman code: how many words have each length, and the symbols in their order.
  function codeOf(lengths) {
    const counts = new Uint16Array(16), next = new Uint16Array(16), symbols = new Uint16Array(lengths.length);
    for (const n of lengths) counts[n]++;
    counts[0] = 0;
    for (let n = 1; n < 16; n++) next[n] = next[n - 1] + counts[n - 1];
    lengths.forEach((n, symbol) => { if (n) symbols[next[n]++] = symbol; });
    return { counts, symbols };
  }

  function inflate(from, size) {
    const to = new Uint8Array(size);
    let place = 0, end = 0, held = 0, count = 0;
    const bits = n => {
      while (count < n) { held |= from[place++] << count; count += 8; }
      const value = held & ((1 << n) - 1);
      held >>>= n; count -= n;
      return value;
    };
    const symbol = ({ counts, symbols }) => {
      let word = 0, first = 0, index = 0;
      for (let n = 1; n < 16; n++) {
        word |= bits(1);
        if (word - counts[n] < first) return symbols[index + word - first];
        index += counts[n];
        first = (first + counts[n]) << 1;
        word <<= 1;
      }
      throw new Error("the page is damaged");
    };
    const codes = () => {
      const literals = bits(5) + 257, distances = bits(5) + 1, lengths = new Uint8Array(19);
      for (let n = bits(4) + 4, i = 0; i < n; i++) lengths[ORDER[i]] = bits(3);
      const code = codeOf(lengths), all = [];
      while (all.length < literals + distances) {
        const one = symbol(code);
        if (one < 16) { all.push(one); continue; }
        const [value, times] = one === 16 ? [all[all.length - 1], 3 + bits(2)] : [0, one === 17 ? 3 + bits(3) : 11 + bits(7)];
        for (let i = 0; i < times; i++) all.push(value);
      }
      return [codeOf(all.slice(0, literals)), codeOf(all.slice(literals))];
    };
    const fixed = () => [codeOf(Array.from({ length: 288 }, (_, i) => i < 144 ? 8 : i < 256 ? 9 : i < 280 ? 7 : 8)), codeOf(Array(30).fill(5))];
    for (let last = 0; !last;) {
      last = bits(1);
      const kind = bits(2);
      if (kind === 0) {
        held = count = 0;
        const n = from[place] | from[place + 1] << 8;
        to.set(from.subarray(place + 4, place + 4 + n), end);
        [place, end] = [place + 4 + n, end + n];
        continue;
      }
      const [literal, distance] = kind === 1 ? fixed() : codes();
      for (let one; (one = symbol(literal)) !== 256;) {
        if (one < 256) { to[end++] = one; continue; }
        const l = one - 257, e = l < 8 || l === 28 ? 0 : (l >> 2) - 1;
        let length = (l < 8 ? l + 3 : l === 28 ? 258 : ((4 + (l & 3)) << e) + 3) + bits(e);
        const d = symbol(distance), f = d < 4 ? 0 : (d >> 1) - 1;
        const back = (d < 4 ? d + 1 : ((2 + (d & 1)) << f) + 1) + bits(f);
        for (; length > 0; length--, end++) to[end] = to[end - back];
      }
    }
    return to;
  }

  // The network: how many bytes it has, and these.
  const networkOf = packed => inflate(packed.subarray(4), new DataView(packed.buffer).getUint32(0, true));

  // The modules: numbers of bytes of the first one, of the second, of the list of steps, and all
  // three texts: each step of the list adds bytes of its own and copies bytes of the first module.
  function modules(packed) {
    const view = new DataView(packed.buffer), all = inflate(packed.subarray(16), view.getUint32(0, true));
    const [plain, size, steps] = [4, 8, 12].map(at => view.getUint32(at, true));
    const first = all.subarray(0, plain), second = new Uint8Array(size);
    let at = plain, own = plain + steps, end = 0, from = 0;
    const number = () => {
      let value = 0;
      for (let shift = 0; ; shift += 7) {
        const byte = all[at++];
        value |= (byte & 127) << shift;
        if (byte < 128) return value;
      }
    };
    while (end < size) {
      const n = number();
      second.set(all.subarray(own, own + n), end);
      [own, end] = [own + n, end + n];
      const jump = number(), length = number();
      from += jump & 1 ? -((jump + 1) >> 1) : jump >> 1;
      second.set(first.subarray(from, from + length), end);
      [from, end] = [from + length, end + length];
    }
    return { plain: first, simd: second };
  }

  async function runtime(packed, plainly) {
    const { plain, simd } = modules(packed);
    const fast = !plainly && WebAssembly.validate(simd);
    const { instance } = await WebAssembly.instantiate(fast ? simd : plain, {});
    const x = instance.exports;
    // Whatever is called may let the memory grow, and then its old buffer is gone.
    const at = (Kind, place, n) => new Kind(x.memory.buffer, place, n).slice();
    const ask = (what, bytes, ...sizes) => {
      if (bytes) {
        const place = x.room(bytes.length);
        if (!place) throw new Error("the picture has more than 16 million pixels; give a smaller one");
        new Uint8Array(x.memory.buffer, place, bytes.length).set(bytes);
      }
      if (!x[what](...sizes)) throw new Error(new TextDecoder().decode(at(Uint8Array, x.text(), x.text_length())));
    };
    return { fast, ask, at, exports: x };
  }
