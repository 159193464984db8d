package corpus

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"

	"dropfs/convert/magic"
)

// codecs are what MediaInfo may call the streams of a format.
var codecs = map[string]struct{ container, video, audio []string }{
	"mp3":  {[]string{"MPEG Audio"}, nil, []string{"MPEG Audio"}},
	"opus": {[]string{"Ogg"}, nil, []string{"Opus"}},
	"ogg":  {[]string{"Ogg"}, nil, []string{"Vorbis"}},
	"flac": {[]string{"FLAC"}, nil, []string{"FLAC"}},
	"wav":  {[]string{"Wave"}, nil, []string{"PCM"}},
	"m4a":  {[]string{"MPEG-4"}, nil, []string{"AAC"}},
	"aac":  {[]string{"ADTS"}, nil, []string{"AAC"}},
	"mp4":  {[]string{"MPEG-4"}, []string{"AVC"}, []string{"AAC", "MPEG Audio"}},
	"mov":  {[]string{"MPEG-4", "QuickTime"}, []string{"AVC"}, []string{"AAC", "MPEG Audio", "PCM"}},
	"webm": {[]string{"WebM"}, []string{"VP8", "VP9"}, []string{"Opus", "Vorbis"}},
	"mkv":  {[]string{"Matroska"}, []string{"AVC", "VP8", "VP9", "MPEG-4 Visual"}, []string{"AAC", "Vorbis", "Opus", "MPEG Audio"}},
}

// checkStreams has MediaInfo say what a result is.
func checkStreams(r reader, m result, seconds float64, video, audio bool) error {
	got, err := r.media(m.path)
	if err != nil {
		return err
	}
	want := codecs[m.ext]
	ok := func(may []string, have string, there bool) bool {
		return there && slices.Contains(may, have) || !there && have == ""
	}
	if !slices.Contains(want.container, got.container) || !ok(want.video, got.video, video) || !ok(want.audio, got.audio, audio) {
		return fmt.Errorf("it is %+v, want %v", got, want)
	}
	if math.Abs(got.seconds-seconds) > 2*soundSlack && m.ext != "aac" { // of a bare stream nobody knows how long it is
		return fmt.Errorf("it has %.2f s, want %.2f", got.seconds, seconds)
	}
	return nil
}

func checkSound(r reader, m result) error {
	want, err := r.loudness(m.from.Path, m.from.Ext)
	if err != nil {
		return fmt.Errorf("the source: %w", err)
	}
	got, err := r.loudness(m.path, m.ext)
	if err != nil {
		return err
	}
	return errors.Join(checkStreams(r, m, want.Seconds, false, true), sameSound(want, got))
}

// How far a picture of a film may be from that of its source. One of 256 colours is dithered, and fields are small.
var (
	codedAnew  = likeness{mean: 6, worst: 60}
	animations = likeness{mean: 6, worst: 90}
)

// moments are the parts of a film at which its pictures are compared.
var moments = []float64{0.1, 0.5, 0.8}

func checkFilm(r reader, m result) error {
	source, err := r.media(m.from.Path)
	if err != nil {
		return fmt.Errorf("the source: %w", err)
	}
	errs := []error{checkStreams(r, m, source.seconds, true, source.audio != "")}
	if source.audio != "" {
		want, err := r.loudness(m.from.Path, m.from.Ext)
		if err != nil {
			return fmt.Errorf("the source: %w", err)
		}
		got, err := r.loudness(m.path, m.ext)
		if err != nil {
			return err
		}
		errs = append(errs, sameSound(want, got))
	}
	for _, part := range moments {
		errs = append(errs, sameMoment(r, m, source.seconds*part, source.width, source.height, codedAnew))
	}
	return errors.Join(errs...)
}

// sameMoment compares a picture of a result with one of its source, both as ffmpeg decodes them: Debian has no other program
// that opens all films.
func sameMoment(r reader, m result, at float64, width, height int, look likeness) error {
	want, err := r.moment(m.from.Path, at)
	if err != nil {
		return fmt.Errorf("the source: %w", err)
	}
	got, err := r.moment(m.path, at)
	if err != nil {
		return err
	}
	return errors.Join(sameSize(got, width, height, 1), sameLook(want, got, look))
}

func (r reader) moment(path string, at float64) (picture, error) {
	return r.byFFmpeg(path, []string{"-ss", strconv.FormatFloat(at, 'f', 3, 64)})
}

// checkFrame compares one picture of a film.
func checkFrame(r reader, m result) error {
	source, err := r.media(m.from.Path)
	if err != nil {
		return fmt.Errorf("the source: %w", err)
	}
	at := 0.0
	if t := m.step.Options["time"]; t != "" {
		if at, err = strconv.ParseFloat(t, 64); err != nil {
			return err
		}
	}
	w, h := source.width, source.height
	if m.step.Op == magic.Thumb {
		w, h = fitted(w, h, 256)
		if at == 0 {
			at = source.seconds / 10
		}
	}
	if m.ext == "gif" {
		return checkAnimation(r, m)
	}
	want, err := r.moment(m.from.Path, at)
	if err != nil {
		return fmt.Errorf("the source: %w", err)
	}
	got, err := r.picture(m.path, m.ext, m.engine)
	if err != nil {
		return err
	}
	return errors.Join(sameSize(got, w, h, 1), sameLook(want, got, codedAnew))
}

// checkAnimation compares a film with the moving picture that it was, or the other way round: the length and some moments.
func checkAnimation(r reader, m result) error {
	want, err := r.moment(m.from.Path, 0)
	if err != nil {
		return fmt.Errorf("the source: %w", err)
	}
	got, err := r.moment(m.path, 0)
	if err != nil {
		return err
	}
	lengths := [2]float64{}
	for i, path := range []string{m.from.Path, m.path} {
		if lengths[i], err = r.length(path); err != nil {
			return err
		}
	}
	errs := []error{sameLook(want, got, animations)}
	if math.Abs(lengths[0]-lengths[1]) > 0.3 {
		errs = append(errs, fmt.Errorf("it has %.2f s, want %.2f", lengths[1], lengths[0]))
	}
	for _, part := range moments {
		w, h := min(want.width, got.width), min(want.height, got.height)
		errs = append(errs, sameMoment(r, m, lengths[0]*part, w, h, animations))
	}
	return errors.Join(errs...)
}

// length is that of a film or of a moving picture, in seconds: of an animation vips counts the delays.
func (r reader) length(path string) (float64, error) {
	if got, err := r.media(path); err == nil && got.seconds > 0 {
		return got.seconds, nil
	}
	out, err := r.run("vipsheader", "-f", "delay", path+"[n=-1]")
	if err != nil {
		return 0, err
	}
	total := 0
	for _, f := range fieldsOf(out) {
		n, err := strconv.Atoi(f)
		if err != nil {
			return 0, err
		}
		total += n
	}
	return float64(total) / 1000, nil
}
