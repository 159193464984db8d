package pdf

import (
	"fmt"
	"image/color"
	"strings"

	"dropfs/convert"
	"dropfs/convert/magic"
)

// maxPassword is what counts of a password, in bytes (ISO 32000-2 §7.6.4.3.3).
const maxPassword = 127

// secretOf answers the secret that an option of the step names; "" where the option is not given.
func secretOf(job convert.Job, option string) (string, error) {
	name := job.Step.Options[option]
	if name == "" {
		return "", nil
	}
	if job.Secret == nil {
		return "", fmt.Errorf("%w: there is no secret %q", convert.ErrLocked, name)
	}
	value, err := job.Secret(name)
	if err != nil {
		return "", fmt.Errorf("%w: secret %q: %w", convert.ErrLocked, name, err)
	}
	if value == "" || strings.ContainsRune(value, 0) {
		return "", fmt.Errorf("%w: the secret %q cannot be a password", convert.ErrUnsupported, name)
	}
	return value[:min(len(value), maxPassword)], nil
}

// onePage answers the page that a picture is of, from 0.
func onePage(o magic.Options) (int, error) {
	first, last, ok := o.PageRange()
	switch {
	case !ok:
		return 0, nil
	case first != last:
		return 0, fmt.Errorf("%w: a picture of several pages", convert.ErrUnsupported)
	}
	return first - 1, nil
}

// backgroundOf reads the option background: white (the default), black, transparent, RGB or RRGGBB in hex.
func backgroundOf(o magic.Options, format string) (color.NRGBA, error) {
	text := o.Get("background")
	switch text {
	case "", "white":
		return color.NRGBA{255, 255, 255, 255}, nil
	case "black":
		return color.NRGBA{0, 0, 0, 255}, nil
	case "transparent":
		if !keepsClear(format) {
			return color.NRGBA{}, fmt.Errorf("%w: %s with a transparent background", convert.ErrUnsupported, format)
		}
		return color.NRGBA{255, 255, 255, 0}, nil
	}
	hex := strings.TrimPrefix(text, "#")
	if len(hex) == 3 {
		hex = string([]byte{hex[0], hex[0], hex[1], hex[1], hex[2], hex[2]})
	}
	var c [3]byte
	if n, err := fmt.Sscanf(hex, "%02x%02x%02x", &c[0], &c[1], &c[2]); len(hex) != 6 || n != 3 || err != nil {
		return color.NRGBA{}, fmt.Errorf("%w: the background %q", convert.ErrUnsupported, text)
	}
	return color.NRGBA{c[0], c[1], c[2], 255}, nil
}
