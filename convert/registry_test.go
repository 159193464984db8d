package convert_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"dropfs/convert"
)

func office() *engine {
	return &engine{name: "office", version: "7", edges: []convert.Edge{
		{Op: "pdf", From: "docx", To: "pdf", Options: []string{"page"}, Cost: 10, Loss: 1},
		{Op: "pdf", From: "pptx", To: "pdf", Cost: 10, Loss: 1},
		{Op: "txt", From: "docx", To: "txt", Cost: 10, Loss: 100},
		{Op: "docx", From: "txt", To: "docx", Cost: 10, Loss: 10},
		{Op: "odt", From: "docx", To: "odt", Cost: 10, Loss: 1},
	}}
}

func pdf() *engine {
	return &engine{name: "pdf", version: "1", edges: []convert.Edge{
		{Op: "png", From: "pdf", To: "png", Options: []string{"page", "dpi", "width"}, Cost: 1, Loss: 10},
		{Op: "txt", From: "pdf", To: "txt", Options: []string{"page"}, Cost: 1, Loss: 100},
		{Op: "pages", From: "pdf", Options: []string{"format"}, Cost: 1},
		{Op: "merge", From: "pdf", To: "pdf", Many: true, Cost: 1},
		{Op: "compress", From: "pdf", To: "=", Options: []string{"level"}, Cost: 5, Loss: 1},
	}}
}

func pictures() *engine {
	return &engine{name: "pictures", version: "3", edges: []convert.Edge{
		{Op: "jpg", From: "png", To: "jpg", Options: []string{"width", "quality"}, Cost: 1, Loss: 1},
		{Op: "thumb", From: "png", To: "jpg", Options: []string{"format"}, Cost: 1, Loss: 10},
		{Op: "zip", From: "*", To: "zip", Many: true, Cost: 1},
	}}
}

// TestPlanFormat: of several edges of one op that is taken which makes what was asked for, whatever another one loses.
func TestPlanFormat(t *testing.T) {
	reader := &engine{name: "reader", version: "1", edges: []convert.Edge{
		{Op: "ocr", From: "png", To: "pdf", Options: []string{"format"}, Cost: 1, Loss: 1},
		{Op: "ocr", From: "png", To: "txt", Options: []string{"format"}, Cost: 1, Loss: 100},
		{Op: "thumb", From: "mp4", To: "jpg", Options: []string{"format"}, Cost: 1},
		{Op: "thumb", From: "mp4", To: "png", Options: []string{"format"}, Cost: 1},
	}}
	r := convert.NewRegistry(reader, pictures())
	for _, c := range [][3]string{
		{"png", "@ocr", "txt"},
		{"png", "@ocr,format=txt", "txt"},
		{"png", "@ocr,format=pdf", "pdf"},
		{"mp4", "@thumb", "jpg"},
		{"mp4", "@thumb,format=png", "png"},
		{"png", "@thumb,format=webp", "jpg"}, // by its option
	} {
		plan, err := r.Plan(steps(t, c[1], c[0])[0], c[0], false)
		if err != nil || plan[0].Edge.To != c[2] {
			t.Errorf("%s of %s is planned as %+v, %v", c[1], c[0], plan, err)
		}
	}
}

func TestPlan(t *testing.T) {
	r := convert.NewRegistry(office(), pdf(), pictures())
	for _, c := range []struct {
		from, rest string
		many       bool
		want       string // "" unsupported
	}{
		{"docx", "@pdf", false, "office:docx-pdf"},
		{"DOCX", "@pdf,page=2", false, "office:docx-pdf"},
		{"docx", "@png,width=800", false, "office:docx-pdf pdf:pdf-png"},
		{"docx", "@jpg,quality=80", false, "office:docx-pdf pdf:pdf-png pictures:png-jpg"},
		{"docx", "@jpg,quality=80,via=local", false, "office:docx-pdf pdf:pdf-png pictures:png-jpg"},
		{"docx", "@thumb,format=png", false, "office:docx-pdf pdf:pdf-png pictures:png-png"},
		{"docx", "@pages", false, "office:docx-pdf pdf:pdf-"},
		{"pptx", "@slides", false, "office:pptx-pdf pdf:pdf-"},
		{"docx", "@slides", false, ""},
		{"docx", "@compress", false, ""},
		{"pdf", "@compress,level=high", false, "pdf:pdf-pdf"},
		{"pdf", "@merge", true, "pdf:pdf-pdf"},
		{"pdf", "@png", true, ""}, // one source only
		{"docx", "@zip", true, "pictures:*-zip"},
		{"png", "@jpg,dpi=96", false, ""},  // V1
		{"docx", "@pdf,dpi=96", false, ""}, // V1
		{"pdf", "@docx", false, ""},        // all but the text would be lost on the way
		{"txt", "@docx", false, "office:txt-docx"},
		{"txt", "@odt", false, "office:txt-docx office:docx-odt"},
		{"exe", "@png", false, ""},
	} {
		plan, err := r.Plan(steps(t, c.rest, c.from)[0], c.from, c.many)
		switch {
		case c.want == "" && !errors.Is(err, convert.ErrUnsupported):
			t.Errorf("%s of %s is %q, %v", c.rest, c.from, names(plan), err)
		case c.want != "" && (err != nil || names(plan) != c.want):
			t.Errorf("%s of %s is %q, %v, want %q", c.rest, c.from, names(plan), err, c.want)
		}
	}
}

func TestPlanPrefersWhatLosesLess(t *testing.T) {
	fast := &engine{name: "fast", edges: []convert.Edge{{Op: "pdf", From: "docx", To: "pdf", Cost: 1, Loss: 10}}}
	equal := &engine{name: "equal", edges: []convert.Edge{{Op: "pdf", From: "docx", To: "pdf", Cost: 10, Loss: 1}}}
	for _, c := range []struct {
		engines []convert.Engine
		want    string
	}{
		{[]convert.Engine{fast, office()}, "office:docx-pdf"},
		{[]convert.Engine{equal, office()}, "equal:docx-pdf"},
		{[]convert.Engine{office(), equal}, "office:docx-pdf"},
	} {
		plan, err := convert.NewRegistry(c.engines...).Plan(steps(t, "@pdf", "")[0], "docx", false)
		if err != nil || names(plan) != c.want {
			t.Errorf("%q, %v, want %q", names(plan), err, c.want)
		}
	}
}

func TestPlanMakesNoSoundOfPictures(t *testing.T) {
	media := &engine{name: "media", edges: []convert.Edge{
		{Op: "mp4", From: "gif", To: "mp4"},
		{Op: "mp3", From: "mp4", To: "mp3"},
		{Op: "gif", From: "png", To: "gif"},
		{Op: "frames", From: "gif"},
		{Op: "wav", From: "mp3", To: "wav"},
	}}
	r := convert.NewRegistry(media)
	for from, want := range map[string]string{
		"gif@mp4": "media:gif-mp4", "mp4@wav": "media:mp4-mp3 media:mp3-wav", "gif@frames": "media:gif-", "png@gif": "media:png-gif",
		"png@mp4": "", "gif@mp3": "", "png@frames": "",
	} {
		ext, rest, _ := strings.Cut(from, "@")
		plan, err := r.Plan(steps(t, "@"+rest, ext)[0], ext, false)
		if (want == "") != errors.Is(err, convert.ErrUnsupported) || names(plan) != want {
			t.Errorf("%s is %q, %v, want %q", from, names(plan), err, want)
		}
	}
}

func TestOffers(t *testing.T) {
	var got []string
	for _, o := range convert.NewRegistry(office(), pdf(), pictures()).Offers("docx") {
		got = append(got, o.Op+">"+o.To)
	}
	want := []string{"jpg>jpg", "merge>pdf", "odt>odt", "pages>", "pdf>pdf", "png>png", "thumb>jpg", "txt>txt", "zip>zip"}
	if !slices.Equal(got, want) {
		t.Errorf("offers %q, want %q", got, want)
	}
}

func TestPlanWithAService(t *testing.T) {
	service := &engine{name: "service", version: "1", edges: []convert.Edge{
		{Op: "pdf", From: "docx", To: "pdf", Cost: 100}, {Op: "docx", From: "pdf", To: "docx", Cost: 100, Loss: 10},
	}}
	local := convert.NewRegistry(office(), pdf())
	for _, c := range []struct {
		registry   *convert.Registry
		from, rest string
		want       string // "" unsupported
	}{
		{local.WithService(service, true), "docx", "@pdf", "service:docx-pdf"},
		{local.WithService(service, false), "docx", "@pdf", "office:docx-pdf"},
		{local.WithService(service, true), "docx", "@pdf,via=local", "office:docx-pdf"},
		{local.WithService(service, false), "docx", "@pdf,via=remote", "service:docx-pdf"},
		{local.WithService(service, true), "docx", "@pdf,page=2", "office:docx-pdf"}, // an option it has not
		{local.WithService(service, false), "pdf", "@docx", "service:pdf-docx"},
		{local.WithService(service, true), "docx", "@png,width=80", "office:docx-pdf pdf:pdf-png"},
		{local, "docx", "@pdf,via=remote", ""},
		{local.WithService(service, true), "pdf", "@docx,via=local", ""},
		{convert.NewRegistry(pdf()).WithService(service, true), "docx", "@png", "service:docx-pdf pdf:pdf-png"}, // both together
	} {
		plan, err := c.registry.Plan(steps(t, c.rest, c.from)[0], c.from, false)
		switch {
		case c.want == "" && !errors.Is(err, convert.ErrUnsupported):
			t.Errorf("%s of %s is %q, %v", c.rest, c.from, names(plan), err)
		case c.want != "" && (err != nil || names(plan) != c.want):
			t.Errorf("%s of %s is %q, %v, want %q", c.rest, c.from, names(plan), err, c.want)
		}
	}
}
