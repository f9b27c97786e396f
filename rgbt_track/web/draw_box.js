// Drawing the target by dragging in either half of the picture. The box goes into the text field
// as x, y, w, h in pixels of a frame; a frame drawn over the page shows it in both halves.
(() => {
  const picture = () => document.querySelector("#pair img");
  const field = () => document.querySelector("#target input, #target textarea");
  let start = null, marks = [];

  // Where the picture really is, which is shown whole within its element.
  const area = image => {
    const place = image.getBoundingClientRect();
    const scale = Math.min(place.width / image.naturalWidth, place.height / image.naturalHeight);
    const width = image.naturalWidth * scale, height = image.naturalHeight * scale;
    return {
      scale, width, height,
      left: place.left + (place.width - width) / 2, top: place.top + (place.height - height) / 2,
    };
  };
  const point = (event, shown, half, frame) => [
    Math.min(Math.max((event.clientX - shown.left) / shown.scale - half * frame[0], 0), frame[0]),
    Math.min(Math.max((event.clientY - shown.top) / shown.scale, 0), frame[1]),
  ];
  const clear = () => { marks.forEach(mark => mark.remove()); marks = []; };
  const draw = box => {
    const shown = area(picture()), width = picture().naturalWidth / 2;
    clear();
    for (const half of [0, 1]) {
      const mark = document.createElement("div");
      mark.className = "target-mark";
      Object.assign(mark.style, {
        position: "absolute", pointerEvents: "none", zIndex: 50, border: "2px solid #40ff60",
        boxShadow: "0 0 0 1px #000", boxSizing: "border-box",
        left: `${window.scrollX + shown.left + (half * width + box[0]) * shown.scale}px`,
        top: `${window.scrollY + shown.top + box[1] * shown.scale}px`,
        width: `${box[2] * shown.scale}px`, height: `${box[3] * shown.scale}px`,
      });
      document.body.append(mark);
      marks.push(mark);
    }
  };
  const write = box => {
    const input = field();
    const type = input.tagName === "TEXTAREA" ? HTMLTextAreaElement : HTMLInputElement;
    const set = Object.getOwnPropertyDescriptor(type.prototype, "value").set;
    set.call(input, box.map(value => value.toFixed(1)).join(", "));
    input.dispatchEvent(new Event("input", {bubbles: true}));
  };
  const box = event => {
    const [x, y] = point(event, start.shown, start.half, start.frame);
    const low = [Math.min(x, start.at[0]), Math.min(y, start.at[1])];
    return [...low, Math.abs(x - start.at[0]), Math.abs(y - start.at[1])];
  };

  document.addEventListener("pointerdown", event => {
    const image = picture();
    if (!image || event.target !== image) return;
    const shown = area(image), frame = [image.naturalWidth / 2, image.naturalHeight];
    const half = (event.clientX - shown.left) / shown.scale < frame[0] ? 0 : 1;
    start = {shown, frame, half, at: point(event, shown, half, frame)};
    event.preventDefault();
  });
  document.addEventListener("pointermove", event => { if (start) draw(box(event)); });
  document.addEventListener("pointerup", event => {
    if (!start) return;
    const drawn = box(event);
    start = null;
    if (drawn[2] >= 2 && drawn[3] >= 2) { write(drawn); draw(drawn); } else clear();
  });
  // The mark belongs to the picture that it was drawn on, at the size it had.
  window.addEventListener("resize", clear);
  document.addEventListener("click", event => {
    if (event.target.closest("#track, #show, #source")) clear();
  });
})();
