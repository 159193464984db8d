package config

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// ParseSize reads a number of bytes: digits, perhaps with a fraction, and one of k M G T (powers of 1000) or Ki Mi Gi Ti
// (powers of 1024), perhaps followed by B. Letters may be of either case.
func ParseSize(s string) (int64, error) {
	text := strings.TrimSpace(s)
	digits := strings.TrimRight(text, "kKmMgGtTiIbB ")
	unit := strings.TrimSuffix(strings.ToLower(strings.TrimSpace(text[len(digits):])), "b")
	factor, ok := map[string]float64{
		"":  1,
		"k": 1e3, "m": 1e6, "g": 1e9, "t": 1e12,
		"ki": 1 << 10, "mi": 1 << 20, "gi": 1 << 30, "ti": 1 << 40,
	}[unit]
	n, err := strconv.ParseFloat(digits, 64)
	if err != nil || !ok || strings.ContainsAny(digits, "eExXpPnN_") {
		return 0, fmt.Errorf("%q is not a size; write it like 500M or 20Gi", s)
	}
	bytes := n * factor
	if bytes < 0 || bytes >= math.MaxInt64 {
		return 0, fmt.Errorf("size %q is out of range", s)
	}
	return int64(math.Round(bytes)), nil
}

// ParseRate reads bytes a second: a size, perhaps followed by /s. 0 is no limit.
func ParseRate(s string) (int64, error) {
	n, err := ParseSize(strings.TrimSuffix(strings.TrimSpace(s), "/s"))
	if err != nil {
		return 0, fmt.Errorf("%q is not a rate; write it like 500k or 20M", s)
	}
	return n, nil
}

// ParseDuration reads a time span: Go's notation (1h30m, 10s, 250ms) with d for days beside it; a bare number is seconds.
func ParseDuration(s string) (time.Duration, error) {
	text := strings.TrimSpace(s)
	bad := fmt.Errorf("%q is not a duration; write it like 10s, 5m or 2h", s)
	if n, err := strconv.ParseFloat(text, 64); err == nil && !strings.ContainsAny(text, "eExXpPnN_") {
		return seconds(n, bad)
	}
	if days, ok := strings.CutSuffix(text, "d"); ok {
		n, err := strconv.ParseFloat(days, 64)
		if err != nil {
			return 0, bad
		}
		return seconds(n*24*3600, bad)
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 {
		return 0, bad
	}
	return d, nil
}

// seconds makes a duration of n seconds, within what a duration can hold.
func seconds(n float64, bad error) (time.Duration, error) {
	if !(n >= 0) || n > math.MaxInt64/float64(time.Second) {
		return 0, bad
	}
	return time.Duration(n * float64(time.Second)), nil
}

// ParseBool reads yes and no in the spellings of mount options, environment and TOML; "" is yes, as in -o ro.
func ParseBool(s string) (bool, error) {
	switch strings.ToLower(strings.TrimSpace(s)) {
	case "", "1", "t", "true", "yes", "on":
		return true, nil
	case "0", "f", "false", "no", "off":
		return false, nil
	default:
		return false, fmt.Errorf("%q is neither true nor false", s)
	}
}
