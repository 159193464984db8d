package exec

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strconv"

	"dropfs/convert"
)

// What ffmpeg reads and writes here.
var (
	sounds     = []string{"wav", "mp3", "opus", "ogg", "flac", "m4a", "aac"}
	films      = []string{"mp4", "webm", "mkv", "mov"}
	filmsIn    = []string{"mp4", "webm", "mkv", "mov", "avi"}
	stillsOf   = []string{"jpg", "png"}
	demuxers   = map[string]string{"isom": "mov", "matroska": "matroska", "ogg": "ogg", "wav": "wav", "flac": "flac", "avi": "avi", "gif": "gif"}
	silentWave = wave(8000)
)

func mediaTools() []*tool {
	return []*tool{{
		name: "ffmpeg", program: "ffmpeg", also: []string{"ffprobe"}, packages: "ffmpeg",
		ask: []string{"-hide_banner", "-version"}, version: regexp.MustCompile(`^ffmpeg version (\S+)`),
		memory: 4 << 30,
		sample: sample{from: "wav", to: "flac", content: silentWave},
		learn:  learnEncoders,
		edges:  mediaEdges, list: listFrames,
	}}
}

// encoders are those that a format needs: where ffmpeg was built without, the format is not offered.
var encoders = map[string][]string{
	"wav": {"pcm_s16le"}, "mp3": {"libmp3lame"}, "opus": {"libopus"}, "ogg": {"libvorbis"}, "flac": {"flac"}, "m4a": {"aac"}, "aac": {"aac"},
	"mp4": {"libx264", "aac"}, "mov": {"libx264", "aac"}, "mkv": {"libx264", "aac"}, "webm": {"libvpx-vp9", "libopus"},
	"gif": {"gif"}, "jpg": {"mjpeg"}, "png": {"png"},
}

var encoderLine = regexp.MustCompile(`(?m)^ [VAS][A-Z.]{5} (\S+)`)

func learnEncoders(ctx context.Context, p *program, dir string) error {
	out, err := p.answer(ctx, dir, p.path, "-hide_banner", "-encoders")
	if err != nil {
		return err
	}
	for _, m := range encoderLine.FindAllSubmatch(out, -1) {
		p.facts[string(m[1])] = true
	}
	return nil
}

func (p *program) encodes(ext string) bool {
	return !slices.ContainsFunc(encoders[ext], func(name string) bool { return !p.facts[name] })
}

func mediaEdges(p *program) []edge {
	var out []edge
	add := func(op, from, to string, cost, loss int, do func(context.Context, *task) error, options ...string) {
		if to == "" || to == "=" || p.encodes(to) {
			out = append(out, edge{Edge: convert.Edge{Op: op, From: from, To: to, Options: options, Cost: cost, Loss: loss}, do: do, link: true})
		}
	}
	soundOptions := func(to string) []string {
		if to == "wav" || to == "flac" {
			return []string{"strip"}
		}
		return []string{"quality", "strip"}
	}
	for _, to := range sounds {
		loss := 1
		if to == "wav" || to == "flac" {
			loss = 0
		}
		for _, from := range sounds {
			if from != to {
				add(to, from, to, 3, loss, sound, soundOptions(to)...)
			}
		}
		for _, from := range filmsIn {
			add(to, from, to, 3, 10, sound, soundOptions(to)...)
		}
	}
	for _, from := range filmsIn {
		for _, to := range films {
			if from != to {
				add(to, from, to, 100, 1, film, "width", "height", "fit", "quality", "strip")
			}
		}
		add("gif", from, "gif", 100, 10, animation, "width", "height", "fit")
		add("thumb", from, "jpg", 2, 100, thumb, "width", "height", "quality", "time", "format")
		add("thumb", from, "png", 2, 100, thumb, "width", "height", "time", "format")
		add("jpg", from, "jpg", 2, 100, frame, "width", "height", "quality", "time")
		add("png", from, "png", 2, 100, frame, "width", "height", "time")
		add("frames", from, "", 2, 10, nil, "format", "width", "height", "quality")
	}
	for _, ext := range films {
		if p.encodes(ext) {
			add("compress", ext, "=", 100, 1, compressed(film, mediaQuality), "level")
		}
	}
	for _, ext := range []string{"mp3", "opus", "ogg", "m4a", "aac"} {
		if p.encodes(ext) {
			add("compress", ext, "=", 3, 1, compressed(sound, mediaQuality), "level")
		}
	}
	add("mp4", "gif", "mp4", 10, 1, film, "width", "height", "fit", "quality", "strip")
	add("webm", "gif", "webm", 10, 1, film, "width", "height", "fit", "quality", "strip")
	return out
}

// input is how a source is named to ffmpeg and ffprobe: by the demuxer of its content, so that a playlist is never taken for
// one, and with files as the only protocol.
func (t *task) input() ([]string, error) {
	demuxer := demuxers[t.sniffed]
	if t.sniffed == "mpeg" {
		demuxer = t.edge.From // mp3 or aac
	}
	if demuxer == "" {
		return nil, fmt.Errorf("%w: no demuxer for %s", convert.ErrUnsupported, t.edge.From)
	}
	return []string{"-protocol_whitelist", "file", "-format_whitelist", demuxer, "-f", demuxer}, nil
}

// whole runs ffmpeg on all of the source, and tells how far it came; after stands behind the source.
func (t *task) whole(ctx context.Context, after []string) error {
	watch := t.watchFFmpeg(ctx)
	if watch == nil {
		return t.ffmpeg(ctx, nil, nil, after)
	}
	return t.ffmpeg(ctx, watch, []string{"-progress", "pipe:1", "-nostats"}, after)
}

// ffmpeg runs it on the source: before stands ahead of the source, after behind it. watch may be nil.
func (t *task) ffmpeg(ctx context.Context, watch *lines, before, after []string) error {
	input, err := t.input()
	if err != nil {
		return err
	}
	args := slices.Concat([]string{"-nostdin", "-hide_banner", "-v", "error"}, before, input, []string{"-i", t.in(), "-sn", "-dn"})
	if t.strips() {
		args = append(args, "-map_metadata", "-1", "-map_chapters", "-1", "-fflags", "+bitexact")
	}
	_, err = t.runWatched(ctx, watch, t.program.path, slices.Concat(args, after, []string{"-threads", "2", t.out()})...)
	return err
}

// sound makes a sound of a sound, or of a film.
func sound(ctx context.Context, t *task) error {
	var codec []string
	switch t.to {
	case "wav":
		codec = []string{"-c:a", "pcm_s16le"}
	case "flac":
		codec = []string{"-c:a", "flac"}
	case "mp3":
		codec = []string{"-c:a", "libmp3lame", "-q:a", scaled(t.quality(80), 9, 0)}
	case "ogg":
		codec = []string{"-c:a", "libvorbis", "-q:a", scaled(t.quality(50), 0, 10)}
	case "opus":
		codec = []string{"-c:a", "libopus", "-b:a", scaled(t.quality(40), 16, 216) + "k"}
	case "m4a", "aac":
		codec = []string{"-c:a", "aac", "-b:a", scaled(t.quality(50), 32, 256) + "k"}
	}
	return t.whole(ctx, append([]string{"-vn", "-map", "0:a:0"}, codec...))
}

// scale is the filter that brings pictures into the size that was asked for, never enlarged, its sides multiples of n. Where
// both sides were asked for, the option fit has what is too long cut off, or what is too short filled up with white, as
// where a format has no alpha.
func (t *task) scale(n int) string {
	w, h := t.size()
	width, height := "iw", "ih"
	if w > 0 {
		width = "min(" + strconv.Itoa(w) + "\\,iw)"
	}
	if h > 0 {
		height = "min(" + strconv.Itoa(h) + "\\,ih)"
	}
	keep, after := "decrease", ""
	if w > 0 && h > 0 {
		switch t.step.Options["fit"] {
		case "fill":
			keep, after = "increase", fmt.Sprintf(",crop=w=floor(%[2]s/%[1]d)*%[1]d:h=floor(%[3]s/%[1]d)*%[1]d", n, width, height)
		case "pad":
			after = fmt.Sprintf(",pad=w=%d:h=%d:x=(ow-iw)/2:y=(oh-ih)/2:color=white", max(w/n*n, n), max(h/n*n, n))
		}
	}
	return fmt.Sprintf("scale=w=%s:h=%s:force_original_aspect_ratio=%s:force_divisible_by=%d%s", width, height, keep, n, after)
}

// animation makes a GIF of a film: ten pictures a second, 480 wide where nothing else is asked.
func animation(ctx context.Context, t *task) error {
	if w, h := t.size(); w == 0 && h == 0 {
		t = t.with("width", "480")
	}
	const palette = ",split[a][b];[a]palettegen[p];[b][p]paletteuse"
	return t.whole(ctx, []string{"-an", "-vf", "fps=10," + t.scale(1) + palette})
}

// wave is a sound of silence, n samples at 8 kHz.
func wave(n int) []byte {
	head := []byte("RIFF\x00\x00\x00\x00WAVEfmt \x10\x00\x00\x00\x01\x00\x01\x00\x40\x1f\x00\x00\x80\x3e\x00\x00\x02\x00\x10\x00data\x00\x00\x00\x00")
	put := func(at, v int) {
		head[at], head[at+1], head[at+2], head[at+3] = byte(v), byte(v>>8), byte(v>>16), byte(v>>24)
	}
	put(4, 36+2*n)
	put(40, 2*n)
	return append(head, make([]byte, 2*n)...)
}
