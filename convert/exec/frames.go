package exec

import (
	"context"
	"fmt"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"

	"dropfs/convert"
	"dropfs/convert/magic"
)

const (
	maxFrames = 200
	thumbBox  = 256 // pixels
)

// frame makes one picture of a film: that at the option time, else the first.
func frame(ctx context.Context, t *task) error {
	return t.still(ctx, t.step.Options["time"])
}

// still makes the picture at a time in seconds; "" the first. A film without an index, as one that was cut off or recorded
// live, cannot be sought in: it is decoded up to there.
func (t *task) still(ctx context.Context, at string) error {
	after := []string{"-map", "0:v:0", "-frames:v", "1", "-update", "1", "-vf", t.scale(1)}
	if t.to == "jpg" {
		after = append(after, "-q:v", scaled(t.quality(90), 31, 2), "-pix_fmt", "yuvj420p")
	}
	if at == "" {
		return t.ffmpeg(ctx, nil, nil, after)
	}
	if err := t.ffmpeg(ctx, nil, []string{"-ss", at}, after); err != nil {
		return err
	}
	if _, err := os.Lstat(t.path(t.out())); err == nil {
		return nil
	}
	return t.ffmpeg(ctx, nil, nil, append([]string{"-ss", at}, after...))
}

// thumb makes a small picture of a film, of the option time, else of a tenth of its length.
func thumb(ctx context.Context, t *task) error {
	if w, h := t.size(); w == 0 && h == 0 {
		t = t.with("width", strconv.Itoa(thumbBox)).with("height", strconv.Itoa(thumbBox))
	}
	if at := t.step.Options["time"]; at != "" {
		return t.still(ctx, at)
	}
	length, err := t.duration(ctx)
	if err != nil {
		return err
	}
	return t.still(ctx, strconv.FormatFloat(length/10, 'f', 3, 64))
}

// duration is the length of a film in seconds.
func (t *task) duration(ctx context.Context) (float64, error) {
	input, err := t.input()
	if err != nil {
		return 0, err
	}
	args := slices.Concat([]string{"-v", "error"}, input, []string{"-show_entries", "format=duration", "-of", "default=nw=1:nk=1", t.in()})
	r, err := t.run(ctx, t.program.others["ffprobe"], args...)
	if err != nil {
		return 0, err
	}
	seconds, err := strconv.ParseFloat(strings.TrimSpace(string(r.Stdout)), 64)
	if err != nil || seconds <= 0 || math.IsInf(seconds, 0) || math.IsNaN(seconds) {
		return 0, fmt.Errorf("%w: it does not say how long it is", convert.ErrBroken)
	}
	return seconds, nil
}

// listFrames lists pictures of a film: one a second, of a long one 200 at equal distances.
func listFrames(ctx context.Context, t *task) ([]convert.Member, error) {
	format := t.step.Options["format"]
	if format == "" {
		format = "png"
	}
	if !slices.Contains(stillsOf, format) {
		return nil, fmt.Errorf("%w: frames as %s", convert.ErrUnsupported, format)
	}
	if format == "png" && t.step.Options["quality"] != "" {
		return nil, fmt.Errorf("%w: option quality", convert.ErrUnsupported) // V1
	}
	length, err := t.duration(ctx)
	if err != nil {
		return nil, err
	}
	count := min(max(int(math.Ceil(length-0.05)), 1), maxFrames)
	apart := max(length/float64(count), 1)
	out := make([]convert.Member, 0, count)
	for i := range count {
		at := int64(float64(i) * apart * 1000) // in ms
		o := magic.Options{"time": seconds(at)}
		for _, key := range []string{"width", "height", "quality"} {
			if v, ok := t.step.Options[key]; ok {
				o[key] = v
			}
		}
		name := fmt.Sprintf("%02d-%02d-%02d.%03d.%s", at/3600_000, at/60_000%60, at/1000%60, at%1000, format)
		out = append(out, convert.Member{Name: name, Step: magic.Step{Op: format, Options: o}, Size: -1})
	}
	return out, nil
}

// seconds writes milliseconds as the option time has them.
func seconds(ms int64) string {
	return strings.TrimSuffix(strings.TrimRight(fmt.Sprintf("%d.%03d", ms/1000, ms%1000), "0"), ".")
}
