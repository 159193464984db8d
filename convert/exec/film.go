package exec

import (
	"context"
	"slices"
	"strings"
)

// suits are the codecs that programs expect in a container, and that it can hold; one of none holds all.
var suits = map[string][]string{
	"mp4":  {"h264", "hevc", "av1", "aac", "mp3"},
	"mov":  {"h264", "hevc", "aac", "mp3", "pcm_s16le"},
	"webm": {"vp8", "vp9", "av1", "opus", "vorbis"},
	"mkv":  {"h264", "hevc", "av1", "vp8", "vp9", "mpeg4", "aac", "mp3", "opus", "vorbis", "flac", "ac3", "pcm_s16le"},
}

// film makes a film of a film. A stream that the new container holds as it is, and of which nothing else was asked, is not
// coded anew.
func film(ctx context.Context, t *task) error {
	video, audio, err := t.codecs(ctx)
	if err != nil {
		return err
	}
	args := []string{"-map", "0:v:0", "-map", "0:a:0?"}
	asked := slices.ContainsFunc([]string{"width", "height", "quality"}, func(key string) bool { return t.step.Options[key] != "" })
	q := t.quality(70)
	switch {
	case !asked && slices.Contains(suits[t.to], video):
		args = append(args, "-c:v", "copy")
	case t.to == "webm":
		args = append(args, "-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8", "-b:v", "0", "-crf", scaled(q, 63, 20),
			"-pix_fmt", "yuv420p", "-vf", t.scale(2))
	default:
		args = append(args, "-c:v", "libx264", "-preset", "veryfast", "-crf", scaled(q, 45, 13), "-pix_fmt", "yuv420p", "-vf", t.scale(2))
	}
	switch {
	case !asked && slices.Contains(suits[t.to], audio):
		args = append(args, "-c:a", "copy")
	case t.to == "webm":
		args = append(args, "-c:a", "libopus", "-b:a", "96k")
	default:
		args = append(args, "-c:a", "aac", "-b:a", "160k")
	}
	if t.to == "mp4" || t.to == "mov" {
		args = append(args, "-movflags", "+faststart") // it plays before all of it is there
	}
	return t.whole(ctx, args)
}

// codecs are those of the first streams of pictures and of sound; "" where there is none.
func (t *task) codecs(ctx context.Context) (video, audio string, err error) {
	input, err := t.input()
	if err != nil {
		return "", "", err
	}
	args := slices.Concat([]string{"-v", "error"}, input, []string{"-show_entries", "stream=codec_name,codec_type", "-of", "csv=p=0", t.in()})
	r, err := t.run(ctx, t.program.others["ffprobe"], args...)
	if err != nil {
		return "", "", err
	}
	for line := range strings.Lines(string(r.Stdout)) {
		name, kind, _ := strings.Cut(strings.TrimSpace(line), ",")
		switch {
		case kind == "video" && video == "":
			video = name
		case kind == "audio" && audio == "":
			audio = name
		}
	}
	return video, audio, nil
}
