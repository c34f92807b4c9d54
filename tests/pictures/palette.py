"""Pictures of 96 colours: the most frequent ones, and for every other the nearest of them. Less than half the size."""

from __future__ import annotations

import base64
import json
import zlib

from sandbox.browser import Browser
from tests.pictures.png import SIGNATURE, chunk

COLOURS = 96
# The browser that drew it knows its pixels; three bytes a colour, one a pixel.
READ = """
(async (source) => {
  const image = await createImageBitmap(await (await fetch(source)).blob());
  const canvas = new OffscreenCanvas(image.width, image.height);
  const context = canvas.getContext("2d");
  context.drawImage(image, 0, 0);
  const pixels = new Uint32Array(context.getImageData(0, 0, image.width, image.height).data.buffer);
  const counts = new Map();
  for (const one of pixels) counts.set(one, (counts.get(one) ?? 0) + 1);
  const sorted = [...counts].sort((left, right) => right[1] - left[1] || left[0] - right[0]);
  const kept = sorted.slice(0, %d).map(([one]) => one);
  const parts = (one) => [one & 255, (one >> 8) & 255, (one >> 16) & 255];
  const palette = kept.map(parts);
  const apart = (left, right) => left.reduce((sum, part, at) => sum + (part - right[at]) ** 2, 0);
  const nearest = (one) => {
    const mine = parts(one);
    let best = 0;
    palette.forEach((other, at) => { if (apart(mine, other) < apart(mine, palette[best])) best = at; });
    return best;
  };
  const index = new Map(kept.map((one, at) => [one, at]));
  for (const one of counts.keys()) if (!index.has(one)) index.set(one, nearest(one));
  let text = "";
  for (const one of pixels) text += String.fromCharCode(index.get(one));
  return JSON.stringify({ width: image.width, height: image.height, palette, pixels: btoa(text) });
})(%s)
"""


def with_few_colours(browser: Browser, png: bytes) -> bytes:
    """The same picture as an indexed PNG; ``browser`` may show anything meanwhile."""
    source = "data:image/png;base64," + base64.b64encode(png).decode()
    seen = json.loads(browser.run(READ % (COLOURS, json.dumps(source))))
    width, pixels = int(seen["width"]), base64.b64decode(seen["pixels"])
    rows = b"".join(b"\0" + pixels[at : at + width] for at in range(0, len(pixels), width))
    head = width.to_bytes(4, "big") + int(seen["height"]).to_bytes(4, "big") + bytes([8, 3, 0, 0, 0])
    colours = bytes(part for colour in seen["palette"] for part in colour)
    parts = [(b"IHDR", head), (b"PLTE", colours), (b"IDAT", zlib.compress(rows, 9)), (b"IEND", b"")]
    return SIGNATURE + b"".join(chunk(kind, data) for kind, data in parts)
