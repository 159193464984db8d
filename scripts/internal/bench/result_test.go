package main

import (
	"errors"
	"math"
	"strings"
	"testing"
)

func floats(v ...float64) []*float64 {
	var out []*float64
	for _, f := range v {
		if math.IsNaN(f) {
			out = append(out, nil)
		} else {
			out = append(out, &f)
		}
	}
	return out
}

func TestMedian(t *testing.T) {
	gap := math.NaN()
	for _, tc := range []struct {
		in   []*float64
		want float64
		ok   bool
	}{
		{nil, 0, false},
		{floats(gap), 0, false},
		{floats(3), 3, true},
		{floats(9, 1, 4), 4, true},
		{floats(9, 1, gap, 4, 5), 4.5, true},
	} {
		if got, ok := median(tc.in); got != tc.want || ok != tc.ok {
			t.Errorf("median of %d figures: %v %v, want %v %v", len(tc.in), got, ok, tc.want, tc.ok)
		}
	}
}

func TestNumber(t *testing.T) {
	for in, want := range map[float64]string{
		0: "0", 0.01234: "0.012", 0.5: "0.500", 3.14159: "3.14", 42.42: "42.4", 999.4: "999", 1234: "1,230", 718_432: "718,000", 1_234_567: "1,230,000",
	} {
		if got := number(in); got != want {
			t.Errorf("%v is %q, want %q", in, got, want)
		}
	}
}

// TestRatios holds that a ratio is the median of the rounds' ratios, and that a round with a gap has none.
func TestRatios(t *testing.T) {
	c := config{rounds: 3, log: t.Logf}
	r := newResult(c, []row{{id: rowCreate, title: "create", unit: "files/s"}}, []string{sideBare, sideDropfs}, false)
	for i, v := range []struct{ bare, ours float64 }{{100, 50}, {10, 9}, {1000, 100}} {
		r.add(sideBare, i, figures{rowCreate: v.bare, rowWalk: 1})
		r.add(sideDropfs, i, figures{rowCreate: v.ours})
	}
	r.Rows[0].Values[sideBare][1] = nil
	r.fail(sideBare, "tree", errors.New("no space"))
	var b strings.Builder
	if err := r.print(&b); err != nil {
		t.Fatal(err)
	}
	if got := r.Rows[0].Ratios[sideDropfs][sideBare]; math.Abs(got-0.3) > 1e-9 {
		t.Errorf("ratio %v, want the median of 0.5 and 0.1", got)
	}
	for _, want := range []string{"create, files/s", "|  550 |", "0.30", "failed: tree on bare: no space"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("%q is not in\n%s", want, b.String())
		}
	}
}

func TestCountRequests(t *testing.T) {
	text := `# HELP dropfs_hub_requests_total Requests
dropfs_hub_requests_total{method="POST",route="/api/v1/files",status="200"} 7
dropfs_hub_requests_total{method="GET",route="GET /metrics",status="200"} 100
dropfs_hub_requests_total{method="PUT",route="/objects",status="200"} 1e+03
dropfs_hub_request_seconds_sum{route="x"} 9
`
	if n, err := countRequests(text); err != nil || n != 1007 {
		t.Errorf("%v requests, %v; want 1007", n, err)
	}
	if _, err := countRequests("go_goroutines 7\n"); !errors.Is(err, errNoCount) {
		t.Errorf("without a count: %v", err)
	}
}
