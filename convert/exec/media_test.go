package exec_test

import (
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"dropfs/convert"
	"dropfs/convert/magic"
)

// probeMedia answers codecs and length of a film or sound.
func probeMedia(t *testing.T, path string) (codecs string, seconds float64) {
	t.Helper()
	codecs = strings.Join(strings.Fields(tool(t, "ffprobe", "-v", "error", "-show_entries", "stream=codec_name", "-of", "default=nw=1:nk=1", path)), " ")
	if length := strings.TrimSpace(tool(t, "ffprobe", "-v", "error", "-show_entries", "format=duration", "-of", "default=nw=1:nk=1", path)); length != "N/A" {
		var err error
		if seconds, err = strconv.ParseFloat(length, 64); err != nil {
			t.Fatal(err)
		}
	}
	return codecs, seconds
}

// clip is a film of 4 s, 160 by 120, with a tone.
func clip(t *testing.T, name string, more ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	args := append([]string{
		"-v", "error", "-f", "lavfi", "-i", "testsrc2=size=160x120:rate=10:duration=4", "-f", "lavfi", "-i", "sine=duration=4",
		"-metadata", "title=a title",
	}, more...)
	tool(t, "ffmpeg", append(args, path)...)
	return path
}

func TestMedia(t *testing.T) {
	ff := engine(t, "ffmpeg")
	film := clip(t, "film.mp4", "-pix_fmt", "yuv420p")
	tone := make1(t, ff, film, "@wav")
	for _, c := range []struct {
		path, step, codecs string
		seconds            float64
	}{
		{film, "@mp3", "mp3", 4},
		{film, "@opus", "opus", 4},
		{film, "@m4a", "aac", 4},
		{film, "@mkv", "h264 aac", 4},
		{film, "@mov", "h264 aac", 4},
		{film, "@webm", "vp9 opus", 4},
		{film, "@mkv,width=80,q=30", "h264 aac", 4},
		{film, "@gif", "gif", 4},
		{clip(t, "film.avi"), "@mp4", "h264 mp3", 4},
		{clip(t, "film.mkv"), "@mp4", "h264 aac", 4},
		{tone, "@mp3,quality=20", "mp3", 4},
		{tone, "@flac", "flac", 4},
		{tone, "@ogg", "vorbis", 4},
		{tone, "@aac", "aac", 4},
		{make1(t, ff, tone, "@flac"), "@wav", "pcm_s16le", 4},
		{make1(t, ff, tone, "@mp3"), "@opus,strip=yes", "opus", 4},
		{make1(t, ff, tone, "@aac"), "@mp3", "mp3", 4},
		{make1(t, ff, film, "@gif"), "@mp4", "h264", 4},
	} {
		t.Run(filepath.Base(c.path)+c.step, func(t *testing.T) {
			codecs, seconds := probeMedia(t, make1(t, ff, c.path, c.step))
			if codecs != c.codecs || math.Abs(seconds-c.seconds) > 0.3 {
				t.Errorf("%s of %.1f s, want %s of %.1f s", codecs, seconds, c.codecs, c.seconds)
			}
		})
	}
	t.Run("strip", func(t *testing.T) {
		for step, want := range map[string]bool{"@mp3": true, "@mp3,strip=yes": false} {
			if has := strings.Contains(tool(t, "ffprobe", "-v", "error", "-show_entries", "format_tags", make1(t, ff, film, step)), "a title"); has != want {
				t.Errorf("%s has the title: %v", step, has)
			}
		}
	})
	t.Run("quality", func(t *testing.T) {
		low, high := fileSize(t, make1(t, ff, tone, "@opus,q=5")), fileSize(t, make1(t, ff, tone, "@opus,q=95"))
		if low*2 > high {
			t.Errorf("quality 5 has %d bytes, 95 has %d", low, high)
		}
	})
}

// TestFilmFits: a box of a width and a height is filled, filled up or not reached by a film of 160 by 120, as by a picture;
// sides of films are even.
func TestFilmFits(t *testing.T) {
	ff := engine(t, "ffmpeg")
	film := clip(t, "film.mp4", "-pix_fmt", "yuv420p")
	for step, want := range map[string]struct {
		size  string
		white bool // the first point is of what it was filled up with
	}{
		"@webm,w=80,h=80":          {"80x60", false},
		"@webm,w=80,h=80,fit=fill": {"80x80", false},
		"@webm,w=80,h=80,fit=pad":  {"80x80", true},
		"@mov,w=81,h=51,fit=fill":  {"80x50", false},
		"@mov,w=81,h=51,fit=pad":   {"80x50", true},
		"@mkv,w=400,h=20,fit=fill": {"160x20", false},
		"@mkv,w=400,h=20,fit=pad":  {"400x20", true},
		"@mkv,w=80,fit=pad":        {"80x60", false},
	} {
		m := picture(t, make1(t, ff, make1(t, ff, film, step), "@png"))
		r, g, b, _ := m.At(m.Bounds().Min.X, m.Bounds().Min.Y).RGBA()
		white := min(r, g, b) > 0xf000
		if got := fmt.Sprintf("%dx%d", m.Bounds().Dx(), m.Bounds().Dy()); got != want.size || white != want.white {
			t.Errorf("%s is %s, and begins white: %v; want %s, %v", step, got, white, want.size, want.white)
		}
	}
}

func TestX6Media(t *testing.T) {
	ff, vips := engine(t, "ffmpeg"), engine(t, "vips")
	film := clip(t, "film.mp4", "-pix_fmt", "yuv420p", "-crf", "5")
	tone := make1(t, ff, film, "@mp3,quality=100")
	tiny := make1(t, ff, film, "@opus,quality=1")
	jpg := make1(t, vips, write(t, "x.png", photo(t, 500, 500)), "@jpg,quality=95")
	for _, c := range []struct {
		engine convert.Engine
		path   string
	}{{ff, film}, {ff, tone}, {vips, jpg}} {
		low, high := make1(t, c.engine, c.path, "@compress,level=low"), make1(t, c.engine, c.path, "@compress,level=high")
		if a, b, whole := fileSize(t, low), fileSize(t, high), fileSize(t, c.path); a >= whole || b >= a {
			t.Errorf("of %d bytes of %s low leaves %d, high %d", whole, filepath.Base(c.path), a, b)
		}
		if c.engine == ff {
			if _, seconds := probeMedia(t, high); math.Abs(seconds-4) > 0.3 {
				t.Errorf("%s has %.1f s", filepath.Base(c.path), seconds)
			}
		}
	}
	if was, is := fileSize(t, tiny), fileSize(t, make1(t, ff, tiny, "@compress,level=low")); is > was {
		t.Errorf("of %d bytes it made %d", was, is)
	}
}

func fileSize(t *testing.T, path string) int64 {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.Size()
}

func TestStills(t *testing.T) {
	ff := engine(t, "ffmpeg")
	film := clip(t, "film.mp4", "-pix_fmt", "yuv420p")
	for step, size := range map[string]string{
		"@jpg": "160x120", "@png,time=2": "160x120", "@jpg,t=1%2E5,w=80": "80x60", "@png,width=8000": "160x120",
		"@thumb": "160x120", "@thumb,width=40": "40x30", "@thumb,h=30,format=png": "40x30",
	} {
		m := picture(t, make1(t, ff, film, step)).Bounds()
		if got := fmt.Sprintf("%dx%d", m.Dx(), m.Dy()); got != size {
			t.Errorf("%s is %s, want %s", step, got, size)
		}
	}
	if err := ff.Run(t.Context(), job(t, ff, film, "@jpg,time=100")); !errors.Is(err, convert.ErrBroken) {
		t.Errorf("a picture from behind the end: %v", err)
	}
}

// TestNoIndex makes pictures of a film that was cut off, with the index that stood at its end.
func TestNoIndex(t *testing.T) {
	ff := engine(t, "ffmpeg")
	whole, err := os.ReadFile(clip(t, "film.mkv", "-c:v", "mpeg4", "-g", "1000"))
	if err != nil {
		t.Fatal(err)
	}
	film := write(t, "cut.mkv", whole[:len(whole)*3/4])
	first := picture(t, make1(t, ff, film, "@png"))
	for _, step := range []string{"@jpg", "@thumb", "@png,time=0", "@png,time=2"} {
		m := picture(t, make1(t, ff, film, step))
		if m.Bounds() != first.Bounds() {
			t.Errorf("%s is %v", step, m.Bounds())
		}
		if step == "@png,time=2" && m.At(80, 60) == first.At(80, 60) && m.At(20, 100) == first.At(20, 100) && m.At(140, 20) == first.At(140, 20) {
			t.Errorf("%s is the first picture", step)
		}
	}
	if err := ff.Run(t.Context(), job(t, ff, film, "@jpg,time=100")); !errors.Is(err, convert.ErrBroken) {
		t.Errorf("a picture from behind the end: %v", err)
	}
}

func TestFrames(t *testing.T) {
	ff := engine(t, "ffmpeg")
	l, ok := ff.(convert.Lister)
	if !ok {
		t.Fatal("it cannot list")
	}
	film := clip(t, "film.mp4", "-pix_fmt", "yuv420p")
	members, err := l.List(t.Context(), job(t, ff, film, "@frames,format=jpg,width=80"))
	if err != nil || len(members) != 4 {
		t.Fatalf("%d members, %v", len(members), err)
	}
	if m := members[3]; m.Name != "00-00-03.000.jpg" || m.Step.Op != "jpg" || m.Step.Options["time"] != "3" || m.Step.Options["width"] != "80" {
		t.Errorf("the last is %+v", m)
	}
	for _, m := range members {
		path := magic.Path{Steps: []magic.Step{m.Step}}
		if b := picture(t, make1(t, ff, film, path.String())).Bounds(); b.Dx() != 80 {
			t.Errorf("%s is %v", m.Name, b)
		}
	}
	if _, err := l.List(t.Context(), job(t, ff, film, "@frames,quality=5")); !errors.Is(err, convert.ErrUnsupported) {
		t.Errorf("V1: a quality of png: %v", err)
	}
	long := clip(t, "long.mkv", "-t", "4", "-output_ts_offset", "0")
	if _, err := l.List(t.Context(), job(t, ff, long, "@frames")); err != nil {
		t.Error(err)
	}
}

func TestV2TheSourceStays(t *testing.T) {
	ff := engine(t, "ffmpeg")
	film := clip(t, "film.mp4", "-pix_fmt", "yuv420p")
	before, err := os.ReadFile(film)
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(film)
	if err != nil {
		t.Fatal(err)
	}
	make1(t, ff, film, "@mkv")
	after, err := os.ReadFile(film)
	now, err2 := os.Stat(film)
	if err != nil || err2 != nil || string(before) != string(after) || info.Mode() != now.Mode() || !info.ModTime().Equal(now.ModTime()) {
		t.Errorf("it changed: %v, %v; %v %v", info, now, err, err2)
	}
}
