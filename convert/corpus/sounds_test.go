package corpus

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"strconv"
)

// media is what MediaInfo says of a sound or a film. It shares no code with ffmpeg.
type media struct {
	container     string
	seconds       float64
	video, audio  string // codecs; "" none
	width, height int
}

func (r reader) media(path string) (m media, err error) {
	out, err := r.unpacked("usr/bin/mediainfo", []string{"mediainfo", "libmediainfo0v5", "libzen0v5", "libmms0", "libtinyxml2-9"}, "--Output=JSON", path)
	if err != nil {
		return m, err
	}
	var said struct {
		Media struct {
			Track []struct {
				Type                            string `json:"@type"`
				Format, Duration, Width, Height string
				Codec                           string `json:"Format_Profile"`
			}
		}
	}
	if err := json.Unmarshal([]byte(out), &said); err != nil {
		return m, err
	}
	for _, t := range said.Media.Track {
		switch t.Type {
		case "General":
			m.container = t.Format
			m.seconds, _ = strconv.ParseFloat(t.Duration, 64)
		case "Video", "Image":
			m.video = t.Format
			m.width, _ = strconv.Atoi(t.Width)
			m.height, _ = strconv.Atoi(t.Height)
		case "Audio":
			m.audio = t.Format
		}
	}
	return m, nil
}

// loudness is how loud a sound is in windows of a tenth of a second.
type loudness struct {
	Seconds float64
	Loud    []float64
}

// decoders are programs that turn one format into WAV, each with a library of its own: none is ffmpeg's.
var decoders = map[string]struct {
	path string
	pkgs []string
	args func(in, out string) []string
}{
	"mp3":  {"usr/bin/mpg123.bin", []string{"mpg123", "libmpg123-0", "libout123-0", "libsyn123-0"}, func(in, out string) []string { return []string{"-q", "-w", out, in} }},
	"flac": {"usr/bin/flac", []string{"flac", "libflac12"}, func(in, out string) []string { return []string{"-d", "-s", "-f", "-o", out, in} }},
	"ogg":  {"usr/bin/oggdec", []string{"vorbis-tools", "libao4", "libflac12"}, func(in, out string) []string { return []string{"-Q", "-o", out, in} }},
	"opus": {"usr/bin/opusdec", []string{"opus-tools", "libopusfile0", "libopusenc0", "libflac12"}, func(in, out string) []string { return []string{"--quiet", in, out} }},
	"aac":  {"usr/bin/faad", []string{"faad", "libfaad2"}, func(in, out string) []string { return []string{"-q", "-o", out, in} }},
	"m4a":  {"usr/bin/faad", []string{"faad", "libfaad2"}, func(in, out string) []string { return []string{"-q", "-o", out, in} }},
}

// loudness decodes a sound. That of a film is read by ffmpeg: Debian has no other program that opens all of them.
func (r reader) loudness(path, ext string) (l loudness, err error) {
	wav := path
	if d, ok := decoders[ext]; ok {
		wav = filepath.Join(r.dir, "sound.wav")
		if _, err := r.unpacked(d.path, d.pkgs, d.args(path, wav)...); err != nil {
			return l, err
		}
	} else if ext != "wav" {
		wav = filepath.Join(r.dir, "sound.wav")
		if _, err := r.run("ffmpeg", "-v", "error", "-y", "-i", path, "-map", "0:a:0", wav); err != nil {
			return l, err
		}
	}
	out, err := r.look("wave", wav)
	if err != nil {
		return l, err
	}
	return l, json.Unmarshal([]byte(out), &l)
}

const soundSlack = 0.15 // seconds: what encoders put before and behind

// sameSound compares two sounds by their length and by how loud they are when.
func sameSound(want, got loudness) error {
	if want.Seconds == 0 {
		return errors.New("the source has no sound to listen for")
	}
	if math.Abs(want.Seconds-got.Seconds) > soundSlack {
		return fmt.Errorf("%.2f s of sound, want %.2f", got.Seconds, want.Seconds)
	}
	n := min(len(want.Loud), len(got.Loud))
	a, b := want.Loud[:n], got.Loud[:n]
	var sum [2]float64
	var product, squareA, squareB float64
	for i := range a {
		sum[0] += a[i]
		sum[1] += b[i]
	}
	for i := range a {
		x, y := a[i]-sum[0]/float64(n), b[i]-sum[1]/float64(n)
		product += x * y
		squareA += x * x
		squareB += y * y
	}
	if c := product / math.Sqrt(squareA*squareB); !(c > 0.9) {
		return fmt.Errorf("its loudness goes otherwise: a correlation of %.2f", c)
	}
	if f := sum[1] / sum[0]; f < 0.7 || f > 1.4 {
		return fmt.Errorf("it is %.2f times as loud", f)
	}
	return nil
}
