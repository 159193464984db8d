package magic

import (
	"slices"
	"strconv"
	"strings"
)

// Options are the options of a step by their long names, as they were checked: each value is written in one way only.
type Options map[string]string

// option is what is known of one key.
type option struct {
	short string
	plain string // the default, which need not be written; "" none
	check func(value string) (string, bool)
}

var options = map[string]option{
	"page":       {short: "p", check: pages}, // without it: the first for an image, all for a text
	"dpi":        {plain: "150", check: within(24, 600)},
	"width":      {short: "w", check: within(1, 1<<16)},
	"height":     {short: "h", check: within(1, 1<<16)},
	"fit":        {plain: "in", check: among("in", "fill", "pad")},
	"quality":    {short: "q", check: within(1, 100)},
	"level":      {plain: "recommended", check: among("low", "recommended", "high")},
	"time":       {short: "t", check: instant},
	"sheet":      {check: text},
	"lang":       {check: text},
	"format":     {check: format},
	"glob":       {check: text},
	"background": {short: "bg", check: text},
	"strip":      {plain: "no", check: yesNo},
	"safe":       {plain: "no", check: yesNo},
	"secret":     {check: name},
	"new_secret": {check: name},
	"via":        {check: among("local", "remote")},
}

// longName gives a key its long name; ok is false for one that is none.
func longName(key string) (string, bool) {
	if _, ok := options[key]; ok {
		return key, true
	}
	for long, o := range options {
		if o.short != "" && o.short == key {
			return long, true
		}
	}
	return "", false
}

// Keys lists the options there are, in order.
func Keys() []string {
	var out []string
	for k := range options {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}

// Default answers the value that an option has where it is not given; "" where that is the engine's business.
func Default(key string) string { return options[key].plain }

// Int reads an option that is a number; 0 where it is not given and has no default.
func (o Options) Int(key string) int {
	n, err := strconv.Atoi(o.Get(key))
	if err != nil {
		return 0
	}
	return n
}

// Get reads an option, or its default.
func (o Options) Get(key string) string {
	if v, ok := o[key]; ok {
		return v
	}
	return options[key].plain
}

// PageRange reads the option page: first and last, from 1; last 0 is the last page. ok is false where it is not given.
func (o Options) PageRange() (first, last int, ok bool) {
	from, to, isRange := strings.Cut(o["page"], "-")
	if from == "" {
		return 0, 0, false
	}
	first, _ = strconv.Atoi(from) // it was checked
	if !isRange {
		return first, first, true
	}
	last, _ = strconv.Atoi(to) // "" is 0
	return first, last, true
}

func within(low, high int) func(string) (string, bool) {
	return func(v string) (string, bool) {
		n, ok := number(v)
		return strconv.Itoa(n), ok && n >= low && n <= high
	}
}

// number reads a number of at most nine digits.
func number(v string) (int, bool) {
	if v == "" || len(v) > 9 || strings.Trim(v, "0123456789") != "" {
		return 0, false
	}
	n, err := strconv.Atoi(v)
	return n, err == nil
}

func among(values ...string) func(string) (string, bool) {
	return func(v string) (string, bool) { return v, slices.Contains(values, v) }
}

func yesNo(v string) (string, bool) {
	switch v {
	case "yes", "true", "1":
		return "yes", true
	case "no", "false", "0":
		return "no", true
	}
	return v, false
}

// pages is a page, or a range of them whose end may be left open: 3, 2-5, 2-.
func pages(v string) (string, bool) {
	from, to, isRange := strings.Cut(v, "-")
	first, ok := number(from)
	if !ok || first < 1 {
		return v, false
	}
	if !isRange {
		return strconv.Itoa(first), true
	}
	if to == "" {
		return strconv.Itoa(first) + "-", true
	}
	last, ok := number(to)
	switch {
	case !ok || last < first:
		return v, false
	case last == first:
		return strconv.Itoa(first), true
	}
	return strconv.Itoa(first) + "-" + strconv.Itoa(last), true
}

// instant is seconds, with or without a fraction, or hours, minutes and seconds apart by colons or dashes.
func instant(v string) (string, bool) {
	whole, fraction, dotted := strings.Cut(v, ".")
	if dotted && (fraction == "" || len(fraction) > 3 || strings.Trim(fraction, "0123456789") != "") {
		return v, false
	}
	parts := strings.FieldsFunc(whole, func(r rune) bool { return r == ':' || r == '-' })
	if len(parts) == 0 || len(parts) > 3 || len(parts) != strings.Count(whole, ":")+strings.Count(whole, "-")+1 {
		return v, false
	}
	seconds := 0
	for _, p := range parts {
		n, ok := number(p)
		if !ok || len(parts) > 1 && n > 99 || n > 1e7 {
			return v, false
		}
		seconds = seconds*60 + n
	}
	out := strconv.Itoa(seconds)
	if fraction = strings.TrimRight(fraction, "0"); fraction != "" {
		out += "." + fraction
	}
	return out, true
}

func text(v string) (string, bool) { return v, v != "" }

// name is that of a secret: it must not look like what it stands for, so it is letters, digits, dash and underscore.
func name(v string) (string, bool) {
	ok := v != "" && strings.Trim(v, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") == ""
	return v, ok
}

func format(v string) (string, bool) {
	v = Ext(v)
	return v, slices.Contains(known, v)
}
