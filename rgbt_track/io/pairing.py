"""Frame pairs of two sources: by number where frames have no times, else by time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Literal, cast, get_args

from rgbt_track.io.cameras import LiveSource
from rgbt_track.io.frames import Frame
from rgbt_track.io.sources import FolderSource, Source, VideoSource
from rgbt_track.io.video.reader import TimedImage
from rgbt_track.resources import check_choice

Align = Callable[[Frame, Frame], tuple[Frame, Frame]]
PairBy = Literal["time", "number"]

_FIRST_FRAME_SECONDS = 15.0  # a camera may take that long to start
_STALE_SECONDS = 1.0  # a live camera that gave nothing for so long is missing
_RATE_TOLERANCE = 0.01
_DURATION_TOLERANCE = 0.1
_DEFAULT_FPS = 25.0


def check_pair_by(text: str) -> PairBy:
    """The text as a way of pairing; ``ValueError`` for another."""
    check_choice("unknown --pair-by", text, get_args(PairBy))
    return cast(PairBy, text)


class PairedFrames:
    """Frame pairs of two sources; a source that is ``None`` gives ``None`` frames.

    Two videos are paired by time: there is one pair per visible frame, with the thermal frame
    nearest to it; the thermal frame is ``None`` where there is none within its own period. Two live
    sources give the newest frame of each. All others are paired by number, and must be as long.

    ``seconds`` is the time of the last pair, ``None`` without times; ``warning`` says, at the end,
    if one video ended before the other.

    Args:
        rgb: the visible source.
        tir: the thermal source.
        pair_by: "number" pairs videos frame by frame, whatever their times say.
        tir_delay: seconds by which the thermal video began after the visible one.
        align: what is done to every pair, for instance ``Registration.align``.

    Raises ``ValueError`` at once for folders of unequal length, for videos whose rates and
    durations both differ, and for a live source beside one that is not; for a video that ends
    early, paired by number, when it ends.
    """

    def __init__(
        self,
        rgb: Source | None,
        tir: Source | None,
        pair_by: PairBy = "time",
        tir_delay: float = 0.0,
        align: Align | None = None,
    ):
        sources = [source for source in (rgb, tir) if source is not None]
        if not sources:
            raise ValueError("no input: give --rgb SRC, --tir SRC, or both")
        self.rgb, self.tir = rgb, tir
        self.fps = next((s.fps for s in sources if s.fps is not None), None)
        self.seconds: float | None = None
        self.warning = ""
        self._delay, self._align = tir_delay, align
        live = [isinstance(source, LiveSource) for source in sources]
        if any(live) and not all(live):
            recorded = sources[live.index(False)]
            raise ValueError(f"{recorded.name} is recorded and the other source is live: give two "
                             "cameras or streams, or two recordings")  # fmt: skip
        self.is_live = all(live)
        videos = [source for source in sources if isinstance(source, VideoSource)]
        self._by_time = len(videos) == 2 and pair_by == "time"
        if self._by_time:
            self.length = sources[0].length
            self._check_rates(*videos)
        else:
            self.length = min((s.length for s in sources if s.length is not None), default=None)
        if isinstance(rgb, FolderSource) and isinstance(tir, FolderSource):
            self._check_counts(len(rgb.paths), len(tir.paths))

    @property
    def dropped(self) -> int:
        """Frames of live sources that newer ones replaced."""
        return sum(s.dropped for s in (self.rgb, self.tir) if isinstance(s, LiveSource))

    def __iter__(self) -> Iterator[tuple[Frame, Frame]]:
        align = self._align
        return self._pairs() if align is None else (align(*pair) for pair in self._pairs())

    def _pairs(self) -> Iterator[tuple[Frame, Frame]]:
        rgb, tir = self.rgb, self.tir
        if self.is_live:
            return self._newest_pairs()
        if self._by_time and isinstance(rgb, VideoSource) and isinstance(tir, VideoSource):
            return self._nearest_pairs(rgb, tir)
        if isinstance(rgb or tir, VideoSource) and (rgb is None or tir is None):
            return self._one_video()
        return self._numbered_pairs()

    def close(self) -> None:
        """Stop the live sources."""
        for source in (self.rgb, self.tir):
            if isinstance(source, LiveSource):
                source.close()

    def _one_video(self) -> Iterator[tuple[Frame, Frame]]:
        video = self.rgb or self.tir
        assert isinstance(video, VideoSource)
        for frame in video.timed():
            self.seconds = frame.seconds
            yield (frame.image, None) if self.tir is None else (None, frame.image)

    def _nearest_pairs(self, rgb: VideoSource, tir: VideoSource) -> Iterator[tuple[Frame, Frame]]:
        thermal = tir.timed()
        before: TimedImage | None = None
        after = next(thermal, None)
        reach = 1 / (tir.fps or _DEFAULT_FPS) + 1e-6
        for frame in rgb.timed():
            moment = frame.seconds - self._delay
            while after is not None and after.seconds <= moment:
                before, after = after, next(thermal, None)
            nearest = min(
                (f for f in (before, after) if f is not None),
                key=lambda f: abs(f.seconds - moment),
                default=None,
            )
            is_near = nearest is not None and abs(nearest.seconds - moment) <= reach
            if after is None and not is_near:
                self.warning = (
                    f"{tir.name} ends {frame.seconds:.2f} s into {rgb.name}; stopped there"
                )
                return
            self.seconds = frame.seconds
            yield frame.image, nearest.image if nearest is not None and is_near else None
        if after is not None and next(thermal, None) is not None:
            self.warning = f"{rgb.name} ends before {tir.name}; stopped there"

    def _newest_pairs(self) -> Iterator[tuple[Frame, Frame]]:
        sources = [source for source in (self.rgb, self.tir) if isinstance(source, LiveSource)]
        try:
            frames = [source.take(_FIRST_FRAME_SECONDS) for source in sources]
            for source, frame in zip(sources, frames, strict=True):
                if frame is None:
                    reason = source.error or f"no frame came within {_FIRST_FRAME_SECONDS:g} s"
                    raise ValueError(f"{source.name}: {reason}")
            while not all(source.ended for source in sources) or any(frames):
                if any(frames):
                    self.seconds = next(frame.seconds for frame in frames if frame is not None)
                    yield self._images(frames)
                frames = _newest_frames(*sources)
            self.warning = "; ".join(source.error for source in sources if source.error)
        finally:
            self.close()

    def _images(self, frames: list[TimedImage | None]) -> tuple[Frame, Frame]:
        images = [frame.image if frame is not None else None for frame in frames]
        return (
            images[0] if self.rgb is not None else None,
            images[-1] if self.tir is not None else None,
        )

    def _numbered_pairs(self) -> Iterator[tuple[Frame, Frame]]:
        rgb = iter(self.rgb) if self.rgb is not None else None
        tir = iter(self.tir) if self.tir is not None else None
        count = 0
        while True:
            frame_rgb = next(rgb, None) if rgb is not None else None
            frame_tir = next(tir, None) if tir is not None else None
            if frame_rgb is None and frame_tir is None:
                return
            if rgb is not None and tir is not None and (frame_rgb is None or frame_tir is None):
                self._check_counts(count + (frame_rgb is not None), count + (frame_tir is not None))
            count += 1
            yield frame_rgb, frame_tir

    def _check_counts(self, rgb_count: int, tir_count: int) -> None:
        if rgb_count == tir_count or self.rgb is None or self.tir is None:
            return
        longer, shorter = (self.rgb, self.tir) if rgb_count > tir_count else (self.tir, self.rgb)
        raise ValueError(
            f"unequal frame counts: {longer.name} goes on after the {min(rgb_count, tir_count)} "
            f"frames of {shorter.name}; the two must show the same moments"
        )

    def _check_rates(self, rgb: VideoSource, tir: VideoSource) -> None:
        """Rates and durations that both differ show that one rate is not that of its camera."""
        if not (rgb.fps and tir.fps and rgb.duration and tir.duration):
            return
        rates = abs(rgb.fps / tir.fps - 1)
        durations = abs((tir.duration + self._delay) / rgb.duration - 1)
        if rates > _RATE_TOLERANCE and durations > _DURATION_TOLERANCE:
            raise ValueError(
                f"{rgb.name} has {rgb.fps:.4g} frames/s for {rgb.duration:.1f} s, {tir.name} "
                f"{tir.fps:.4g} for {tir.duration:.1f} s: cut both to the same moments, or pair "
                "them frame by frame with --pair-by number"
            )


def _newest_frames(
    leader: LiveSource, follower: LiveSource | None = None
) -> list[TimedImage | None]:
    """The leader's next frame and the follower's newest; ``None`` for one that gives none."""
    frames = [leader.take(_STALE_SECONDS)]
    if follower is None:
        return frames
    # Two cameras of one rate: the other frame of the same moment is about to come.
    patience = 0.0
    if frames[0] is None:
        patience = _STALE_SECONDS
    elif leader.fps and (follower.fps or leader.fps) > 0.9 * leader.fps:
        patience = 0.5 / leader.fps
    frame = follower.take(patience)
    if frame is None and frames[0] is not None and not follower.ended:
        frame = follower.recent(_STALE_SECONDS)
    return [*frames, frame]
