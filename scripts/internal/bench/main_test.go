package main

import (
	"fmt"
	"os"
	"testing"
)

// TestMain lets the test binary do the work of a measurement, as the program itself does.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == workVerb {
		if err := runWork(os.Args[2:], os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

func TestParse(t *testing.T) {
	for _, tc := range []struct {
		name   string
		args   []string
		ok     bool
		rounds int
		files  int
	}{
		{"nothing", nil, true, 5, 2000},
		{"short", []string{"--short"}, true, 1, 40},
		{"rounds win over short", []string{"--short", "-n", "3"}, true, 3, 40},
		{"link", []string{"--link"}, true, 5, 400},
		{"rows and sides", []string{"--rows", "create,walk", "--sides", "bare,dropfs"}, true, 5, 2000},
		{"unknown row", []string{"--rows", "nothing"}, false, 0, 0},
		{"unknown side", []string{"--sides", "bare,nothing"}, false, 0, 0},
		{"too much", []string{"more"}, false, 0, 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c, _, err := parse(tc.args)
			if (err == nil) != tc.ok {
				t.Fatalf("error %v, want ok %v", err, tc.ok)
			}
			if tc.ok && (c.rounds != tc.rounds || c.sizes.files != tc.files) {
				t.Errorf("%d rounds of %d files, want %d of %d", c.rounds, c.sizes.files, tc.rounds, tc.files)
			}
		})
	}
}

// TestPlan holds that a chosen row brings the steps that its files come from, in their order, and no others.
func TestPlan(t *testing.T) {
	for _, tc := range []struct {
		rows  []string
		link  bool
		steps []string
	}{
		{[]string{rowCreate}, false, []string{stepTree}},
		{[]string{rowUnlink}, false, []string{stepTree4, "unlink"}},
		{[]string{rowColdFirst}, false, []string{stepBig, stepRemount, "coldread"}},
		{[]string{rowRename, rowColdWalk}, false, []string{stepTree, "rename", stepRemount, "coldwalk"}},
		{[]string{rowPeakMemory}, false, []string{"memory"}},
		{[]string{rowPeakMemory, rowColdWalk}, false, []string{stepTree, "memory", stepRemount, "coldwalk", "memory again"}},
		{nil, true, []string{stepTree, stepBig, "drain", "memory", stepRemount, "coldwalk", "coldread", "memory again"}},
	} {
		_, steps := plan(config{rows: tc.rows, link: tc.link})
		var got []string
		for _, s := range steps {
			got = append(got, s.name)
		}
		if fmt.Sprint(got) != fmt.Sprint(tc.steps) {
			t.Errorf("rows %v, link %v: %v, want %v", tc.rows, tc.link, got, tc.steps)
		}
	}
	rows, steps := plan(config{})
	if len(rows) != len(allRows()) || len(steps) != len(allSteps()) {
		t.Errorf("without a choice: %d rows and %d steps, want %d and %d", len(rows), len(steps), len(allRows()), len(allSteps()))
	}
}

// TestEveryRowIsMeasured holds that each row belongs to a step.
func TestEveryRowIsMeasured(t *testing.T) {
	of := map[string]bool{}
	for _, s := range allSteps() {
		for _, id := range s.rows {
			of[id] = true
		}
	}
	for _, id := range rowIDs() {
		if !of[id] {
			t.Errorf("no step measures %s", id)
		}
	}
	if len(of) != len(allRows()) {
		t.Errorf("the steps measure %d rows of %d", len(of), len(allRows()))
	}
}
