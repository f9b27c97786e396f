// Draws trackers' boxes over the video of a sequence, and their overlaps as curves below it.
for (const root of document.querySelectorAll(".playback")) {
  const data = JSON.parse(root.querySelector("script").textContent);
  const find = name => root.querySelector("." + name);
  const video = root.querySelector("video"), overlay = find("overlay"), curve = find("curve");
  const seek = find("seek"), count = data.truth.length, rows = [];
  let frame = 0;
  seek.max = count - 1;

  const entry = (name, color, tracker) => {
    const label = document.createElement("label"), box = document.createElement("input");
    const swatch = document.createElement("span"), value = document.createElement("span");
    box.type = "checkbox"; box.checked = true; box.addEventListener("change", draw);
    swatch.className = tracker ? "swatch" : "swatch truth";
    if (tracker) swatch.style.borderColor = color;
    value.className = "overlap";
    label.append(box, swatch, name, " ", value);
    find("legend").append(label);
    rows.push({box, value, color, tracker, boxes: tracker ? tracker.boxes : data.truth});
  };
  entry("ground truth", "#ffffff", null);
  for (const tracker of data.trackers) entry(tracker.name, tracker.color, tracker);

  // A canvas of as many pixels as the screen shows, in CSS pixels for the caller.
  const surface = canvas => {
    const ratio = window.devicePixelRatio || 1, area = canvas.getBoundingClientRect();
    const width = Math.round(area.width * ratio), height = Math.round(area.height * ratio);
    if (canvas.width !== width || canvas.height !== height) {
      canvas.width = width; canvas.height = height;
    }
    const pen = canvas.getContext("2d");
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.clearRect(0, 0, area.width, area.height);
    return [pen, area.width, area.height];
  };

  function drawBoxes() {
    const [pen, width, height] = surface(overlay), panels = data.panels.length;
    const scale = width / panels / data.size[0], tall = height / data.size[1];
    data.panels.forEach((title, panel) => {
      pen.save();
      pen.beginPath();
      pen.rect(panel * width / panels, 0, width / panels, height);
      pen.clip();
      pen.translate(panel * width / panels, 0);
      for (const row of rows) {
        const box = row.boxes[frame];
        if (!row.box.checked || !box) continue;
        const place = [box[0] * scale, box[1] * tall, box[2] * scale, box[3] * tall];
        pen.lineWidth = 4; pen.strokeStyle = "rgba(0, 0, 0, .55)"; pen.strokeRect(...place);
        pen.lineWidth = 2; pen.strokeStyle = row.color; pen.strokeRect(...place);
      }
      pen.font = "12px system-ui, sans-serif"; pen.textBaseline = "top";
      pen.lineWidth = 3; pen.strokeStyle = "#000"; pen.strokeText(title, 6, 6);
      pen.fillStyle = "#fff"; pen.fillText(title, 6, 6);
      pen.restore();
    });
  }

  function drawCurves() {
    const [pen, width, height] = surface(curve), left = 28, top = 6, bottom = height - 6;
    const x = index => left + (width - left - 6) * index / Math.max(count - 1, 1);
    const y = value => bottom - (bottom - top) * value;
    pen.font = "11px system-ui, sans-serif"; pen.fillStyle = "#57606a";
    pen.strokeStyle = "#d0d7de"; pen.lineWidth = 1; pen.textBaseline = "middle";
    for (const value of [0, 0.5, 1]) {
      pen.fillText(value.toFixed(1), 6, Math.min(Math.max(y(value), 8), height - 8));
      pen.beginPath(); pen.moveTo(left, y(value)); pen.lineTo(width - 6, y(value)); pen.stroke();
    }
    pen.lineWidth = 1.5;
    for (const row of rows) {
      if (!row.tracker || !row.box.checked) continue;
      pen.strokeStyle = row.color;
      pen.beginPath();
      let down = false;
      row.tracker.overlaps.forEach((value, index) => {
        if (value === null) { down = false; return; }
        if (down) pen.lineTo(x(index), y(value)); else pen.moveTo(x(index), y(value));
        down = true;
      });
      pen.stroke();
    }
    pen.strokeStyle = "#1b1f24"; pen.lineWidth = 1;
    pen.beginPath(); pen.moveTo(x(frame), 0); pen.lineTo(x(frame), height); pen.stroke();
  }

  function draw() {
    drawBoxes();
    drawCurves();
    seek.value = frame;
    find("frame").textContent = `frame ${frame + 1} of ${count}`;
    for (const row of rows) {
      if (!row.tracker) continue;
      const value = row.tracker.overlaps[frame];
      row.value.textContent = value === null || value === undefined ? "" : value.toFixed(2);
    }
  }

  const show = index => {
    frame = Math.min(Math.max(index, 0), count - 1);
    draw();
  };
  // The middle of a frame's time, so that no rounding shows its neighbour.
  const go = index => {
    video.pause();
    show(index);
    video.currentTime = (frame + 0.5) / data.fps;
  };
  const toggle = () => {
    if (!video.paused) { video.pause(); return; }
    if (frame >= count - 1) video.currentTime = 0;
    video.play();
  };
  const follow = () => {
    if (video.requestVideoFrameCallback) {
      const next = (now, meta) => {
        if (!video.paused) show(Math.round(meta.mediaTime * data.fps));
        video.requestVideoFrameCallback(next);
      };
      video.requestVideoFrameCallback(next);
    } else {
      const next = () => {
        if (!video.paused) show(Math.floor(video.currentTime * data.fps + 1e-3));
        requestAnimationFrame(next);
      };
      requestAnimationFrame(next);
    }
  };

  find("play").addEventListener("click", toggle);
  video.parentElement.addEventListener("click", toggle);
  video.addEventListener("play", () => { find("play").textContent = "Pause"; });
  video.addEventListener("pause", () => { find("play").textContent = "Play"; });
  video.addEventListener("ended", () => show(count - 1));
  video.addEventListener("loadeddata", draw);
  video.addEventListener("error", () => {
    find("error").hidden = false;
    find("error").textContent = `${video.getAttribute("src")} cannot be played: keep the folder ` +
      "playback beside this page, and open it in a browser that plays H.264.";
  });
  find("back").addEventListener("click", () => go(frame - 1));
  find("next").addEventListener("click", () => go(frame + 1));
  seek.addEventListener("input", () => go(Number(seek.value)));
  find("speed").addEventListener("change", () => {
    video.playbackRate = Number(find("speed").value);
  });
  curve.addEventListener("click", event => {
    const area = curve.getBoundingClientRect();
    go(Math.round((event.clientX - area.left - 28) / (area.width - 34) * (count - 1)));
  });
  root.addEventListener("keydown", event => {
    if (event.target !== root) return;
    const action = {" ": toggle, ArrowLeft: () => go(frame - 1), ArrowRight: () => go(frame + 1)};
    if (action[event.key]) { event.preventDefault(); action[event.key](); }
  });
  new ResizeObserver(draw).observe(root);
  follow();
  draw();
}
