package config_test

import (
	"testing"
	"time"

	"dropfs/fs/cli/config"
)

func TestParseSize(t *testing.T) {
	for in, want := range map[string]int64{
		"0": 0, "1": 1, "500k": 500_000, "500K": 500_000, "1.5M": 1_500_000, "20Gi": 20 << 30, "20GiB": 20 << 30,
		"2GB": 2_000_000_000, "1 Mi": 1 << 20, "1T": 1e12, "1ti": 1 << 40, "12B": 12,
		"": -1, "k": -1, "1x": -1, "-1": -1, "1e3": -1, "0x10": -1, "inf": -1, "nan": -1, "1kk": -1, "99999999999T": -1, "1ii": -1, "1bb": -1,
	} {
		got, err := config.ParseSize(in)
		if want < 0 {
			if err == nil {
				t.Errorf("%q: read as %d, want an error", in, got)
			}
			continue
		}
		if err != nil || got != want {
			t.Errorf("%q: %d, %v; want %d", in, got, err, want)
		}
	}
}

func TestParseRate(t *testing.T) {
	for in, want := range map[string]int64{"0": 0, "20M": 20e6, "1Mi/s": 1 << 20, "x": -1} {
		got, err := config.ParseRate(in)
		if (err != nil) != (want < 0) || err == nil && got != want {
			t.Errorf("%q: %d, %v; want %d", in, got, err, want)
		}
	}
}

func TestParseDuration(t *testing.T) {
	for in, want := range map[string]time.Duration{
		"10s": 10 * time.Second, "0": 0, "5": 5 * time.Second, "0.5": 500 * time.Millisecond, "2h30m": 150 * time.Minute, "3d": 72 * time.Hour,
		"": -1, "x": -1, "-1s": -1, "-3": -1, "1e300": -1, "1e5d": 100000 * 24 * time.Hour, "nan": -1, "infd": -1, "nand": -1,
	} {
		got, err := config.ParseDuration(in)
		if (err != nil) != (want < 0) || err == nil && got != want {
			t.Errorf("%q: %v, %v; want %v", in, got, err, want)
		}
	}
}

func FuzzParseSize(f *testing.F) {
	for _, s := range []string{"1", "1.5Gi", "kk", "-", "9223372036854775807"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if n, err := config.ParseSize(s); err == nil && n < 0 {
			t.Errorf("%q: negative size %d", s, n)
		}
		if d, err := config.ParseDuration(s); err == nil && d < 0 {
			t.Errorf("%q: negative duration %v", s, d)
		}
	})
}
