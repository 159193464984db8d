package exec_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"dropfs/convert"
)

func TestOffice(t *testing.T) {
	lo := engine(t, "libreoffice")
	text := write(t, "text.rtf", []byte(rtf))
	sheets := write(t, "sheets.xlsx", workbook(t))
	docx := make1(t, lo, text, "@docx")
	odt := make1(t, lo, docx, "@odt")
	ods := make1(t, lo, sheets, "@ods")
	for _, c := range []struct {
		path, step string
		pages      string // of a PDF
		want       []string
	}{
		{text, "@pdf", "3", []string{"The first page.", "The third page."}},
		{text, "@pdf,page=2", "1", []string{"The second page."}},
		{text, "@pdf,page=2-3", "2", []string{"The second page.", "The third page."}},
		{text, "@pdf,page=2-", "2", []string{"The second page.", "The third page."}},
		{text, "@txt", "", []string{"The first page."}},
		{text, "@html", "", []string{"The first page."}},
		{text, "@epub", "", []string{"The first page."}},
		{text, "@doc", "", nil},
		{docx, "@pdf", "3", []string{"The second page."}},
		{odt, "@docx", "", []string{"The second page."}},
		{odt, "@rtf", "", []string{"The second page."}},
		{make1(t, lo, text, "@doc"), "@pdf", "3", []string{"The second page."}},
		{sheets, "@pdf", "2", []string{"petals,", "42", "other"}},
		{sheets, "@csv", "", []string{`"petals, long",42`}},
		{sheets, "@csv,sheet=iris", "", []string{`"petals, long",42`}},
		{sheets, "@csv,sheet=two words", "", []string{`other,42`}},
		{ods, "@csv,sheet=two words", "", []string{`other,42`}},
		{ods, "@xlsx", "", []string{"petals, long", "other"}},
		{make1(t, lo, ods, "@xls"), "@csv", "", []string{`"petals, long",42`}},
		{write(t, "cells.csv", []byte("word,=1+1\n\"a,b\",=WEBSERVICE(\"http://127.0.0.1:1/\")\n")), "@pdf", "1", []string{"word", "=1+1", "a,b", "=WEBSERVICE"}},
		{write(t, "plain.txt", []byte("Grüße, a <b> & c\n")), "@pdf", "1", []string{"Grüße,", "<b>"}},
		{write(t, "plain.txt", []byte("Grüße\n")), "@docx", "", []string{"Grüße"}},
	} {
		t.Run(filepath.Ext(c.path)[1:]+c.step, func(t *testing.T) {
			out := make1(t, lo, c.path, c.step)
			wantWords(t, out, c.want...)
			if c.pages != "" && pages(t, out) != c.pages {
				t.Errorf("it has %s pages, want %s", pages(t, out), c.pages)
			}
		})
	}
}

func TestOfficeSlides(t *testing.T) {
	lo := engine(t, "libreoffice")
	dir := t.TempDir()
	md, deck := filepath.Join(dir, "deck.md"), filepath.Join(dir, "deck.pptx")
	if err := os.WriteFile(md, []byte("# One\n\nfirst\n\n# Two\n\nsecond\n\n# Three\n\nthird\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	tool(t, "pandoc", md, "-o", deck)
	for step, want := range map[string]string{"@pdf": "3", "@pdf,page=2-3": "2"} {
		out := make1(t, lo, deck, step)
		if got := pages(t, out); got != want {
			t.Errorf("%s has %s pages", step, got)
		}
		wantWords(t, out, "second", "third")
	}
	wantWords(t, make1(t, lo, deck, "@odp"), "second")
	wantWords(t, make1(t, lo, make1(t, lo, deck, "@ppt"), "@pdf"), "second")
}

func TestOfficeRefuses(t *testing.T) {
	lo := engine(t, "libreoffice")
	text := write(t, "text.rtf", []byte(rtf))
	for _, c := range []struct {
		name, path, step string
		want             error
	}{
		{"an option that it has not", text, "@pdf,dpi=96", convert.ErrUnsupported},
		{"a format that it has not", text, "@png", convert.ErrUnsupported},
		{"html as a source", write(t, "x.html", []byte("<html>")), "@pdf", convert.ErrUnsupported},
		{"html by another name", write(t, "x.rtf", []byte("<html><body>x")), "@pdf", convert.ErrBroken},
		{"html as csv", write(t, "x.csv", []byte("<html><body>x")), "@pdf", convert.ErrBroken},
		{"a flat document as odt", write(t, "x.odt", []byte("<?xml version='1.0'?><office:document/>")), "@pdf", convert.ErrBroken},
		{"nothing", write(t, "x.rtf", nil), "@pdf", convert.ErrBroken},
		{"zeros", write(t, "x.doc", make([]byte, 1000)), "@pdf", convert.ErrBroken},
		{"an archive as docx", write(t, "x.docx", archive(t, [2]string{"a", "b"})), "@pdf", convert.ErrBroken},
		{"an empty docx", write(t, "x.docx", archive(t, [2]string{"word/document.xml", ""})), "@pdf", convert.ErrBroken},
		{"an encrypted docx", write(t, "x.docx", []byte("\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1 and more")), "@pdf", convert.ErrLocked},
		{"no such sheet", write(t, "x.xlsx", workbook(t)), "@csv,sheet=none", convert.ErrBroken},
		{"a sheet that is a path", write(t, "x.xlsx", workbook(t)), "@csv,sheet=%2F%2E%2E%2Fx", convert.ErrBroken},
	} {
		t.Run(c.name, func(t *testing.T) {
			j := job(t, lo, c.path, c.step)
			if err := lo.Run(t.Context(), j); !errors.Is(err, c.want) {
				t.Errorf("%v, want %v", err, c.want)
			}
			if _, err := os.Lstat(j.Out); err == nil {
				t.Error("there is a result")
			}
		})
	}
}
