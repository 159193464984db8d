package main

import (
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
)

// print writes two tables in Markdown: the medians, and the ratios of our sides to the others.
func (r *result) print(w io.Writer) error {
	r.finish()
	var b strings.Builder
	fmt.Fprintf(&b, "%d CPUs, %s, %s; medians of %d; large file %d MiB, %d small files of %d bytes, %d sent", r.CPUs, r.System, r.Date, r.Rounds,
		r.Sizes.BigBytes>>20, r.Sizes.Files, r.Sizes.FileBytes, r.Sizes.DrainFiles)
	if r.Link != nil {
		fmt.Fprintf(&b, "; servers behind %d ms there and back and %d MB/s", r.Link.RoundTripMillis, r.Link.BytesPerSecond/1e6)
	}
	b.WriteString("\n\n")
	head := append([]string{""}, r.Sides...)
	rows := [][]string{}
	for _, l := range r.Rows {
		cells := []string{l.Title + ", " + l.Unit}
		for _, s := range r.Sides {
			cells = append(cells, cell(l.Medians, s, number))
		}
		rows = append(rows, cells)
	}
	markdown(&b, head, rows)
	for _, ours := range []string{sideDropfs, sideServed} {
		if slices.Contains(r.Sides, ours) {
			r.ratios(&b, ours)
		}
	}
	for _, f := range r.Failed {
		fmt.Fprintf(&b, "\nfailed: %s on %s: %s\n", f.Step, f.Side, f.Err)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// ratios writes how one of our sides stands to the others.
func (r *result) ratios(b *strings.Builder, ours string) {
	head := []string{ours + " ÷"}
	for _, s := range r.Sides {
		if s != ours {
			head = append(head, s)
		}
	}
	var rows [][]string
	for _, l := range r.Rows {
		if len(l.Ratios[ours]) == 0 {
			continue
		}
		title := l.Title
		if l.Lower {
			title += " (less is better)"
		}
		cells := []string{title}
		for _, s := range head[1:] {
			cells = append(cells, cell(l.Ratios[ours], s, func(f float64) string { return strconv.FormatFloat(f, 'f', 2, 64) }))
		}
		rows = append(rows, cells)
	}
	if len(rows) > 0 {
		b.WriteString("\n")
		markdown(b, head, rows)
	}
}

func cell(of map[string]float64, key string, format func(float64) string) string {
	if v, ok := of[key]; ok {
		return format(v)
	}
	return "–"
}

// markdown writes a table whose columns line up.
func markdown(b *strings.Builder, head []string, rows [][]string) {
	width := make([]int, len(head))
	for _, cells := range append([][]string{head}, rows...) {
		for i, c := range cells {
			width[i] = max(width[i], len([]rune(c)), 3)
		}
	}
	write := func(cells []string) {
		for i, c := range cells {
			fill := strings.Repeat(" ", width[i]-len([]rune(c)))
			if i == 0 {
				b.WriteString("| " + c + fill)
			} else {
				b.WriteString(" | " + fill + c)
			}
		}
		b.WriteString(" |\n")
	}
	write(head)
	for i, n := range width {
		if i == 0 {
			b.WriteString("| " + strings.Repeat("-", n))
		} else {
			b.WriteString(" | " + strings.Repeat("-", n-1) + ":")
		}
	}
	b.WriteString(" |\n")
	for _, cells := range rows {
		write(cells)
	}
}

// number writes three digits that mean something, with commas.
func number(v float64) string {
	if v == 0 {
		return "0"
	}
	digits := 2 - int(math.Floor(math.Log10(math.Abs(v))))
	if digits > 0 {
		return strconv.FormatFloat(v, 'f', min(digits, 3), 64)
	}
	scale := math.Pow(10, float64(-digits))
	s := strconv.FormatFloat(math.Round(v/scale)*scale, 'f', 0, 64)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
