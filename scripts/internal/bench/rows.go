package main

// row is a line of the table.
type row struct {
	id, title, unit string
	lower           bool // less is better
	link            bool // also measured over a link
}

// The rows, by what they are called on the command line and in the JSON.
const (
	rowCreate     = "create"
	rowCreate4    = "create4"
	rowWalk       = "walk"
	rowReadSmall  = "readsmall"
	rowRename     = "rename"
	rowWrite      = "seqwrite"
	rowRead       = "seqread"
	rowRandom     = "randread"
	rowDrain      = "drain"
	rowRequests   = "requests"
	rowUnlink     = "unlink"
	rowColdWalk   = "coldwalk"
	rowColdRead   = "coldread"
	rowColdFirst  = "coldfirst"
	rowMagic      = "magic"
	rowMagicAgain = "magicagain"
	rowPeakMemory = "memory"
)

// allRows lists them in the order of the table.
func allRows() []row {
	return []row{
		{rowWrite, "sequential write", "MB/s", false, true},
		{rowRead, "warm sequential read", "MB/s", false, false},
		{rowRandom, "warm random 4 KiB reads", "reads/s", false, false},
		{rowCreate, "create + write + close", "files/s", false, true},
		{rowCreate4, "the same, four threads", "files/s", false, false},
		{rowWalk, "lstat walk, second time", "entries/s", false, false},
		{rowReadSmall, "read all small files", "files/s", false, false},
		{rowRename, "rename", "files/s", false, false},
		{rowUnlink, "unlink", "files/s", false, false},
		{rowColdWalk, "walk after a remount with an empty cache", "entries/s", false, true},
		{rowColdRead, "sequential read after it", "MB/s", false, true},
		{rowColdFirst, "first page after it", "ms", true, true},
		{rowDrain, "small files written and sent", "files/s", false, true},
		{rowRequests, "requests for each file sent", "requests", true, true},
		{rowMagic, "read a picture as another format", "ms", true, false},
		{rowMagicAgain, "the same again", "ms", true, false},
		{rowPeakMemory, "peak memory of the disk", "MiB", true, true},
	}
}

func rowIDs() []string {
	var ids []string
	for _, r := range allRows() {
		ids = append(ids, r.id)
	}
	return ids
}

// step is something that is done on each side in turn before the next step begins.
type step struct {
	name string
	rows []string // what it measures; a step of no chosen row is left out unless it is needed
	// needs are the steps whose files this one works on.
	needs []string
	do    func(*trial) (figures, error)
}

// The steps that others need.
const (
	stepTree    = "tree"
	stepTree4   = "tree4"
	stepBig     = "big"
	stepRemount = "remount"
)

// allSteps lists the steps in the order in which they are done: what deletes comes last but for what wants an empty cache,
// which creates nothing.
func allSteps() []step {
	return []step{
		{stepTree, []string{rowCreate}, nil, func(t *trial) (figures, error) { return t.tree(rowCreate, "one", 1) }},
		{stepTree4, []string{rowCreate4}, nil, func(t *trial) (figures, error) { return t.tree(rowCreate4, "four", 4) }},
		{"walk", []string{rowWalk}, []string{stepTree}, (*trial).walk},
		{"readsmall", []string{rowReadSmall}, []string{stepTree}, (*trial).readSmall},
		{stepBig, []string{rowWrite}, nil, func(t *trial) (figures, error) { return t.big(rowWrite, "seqwrite") }},
		{"read", []string{rowRead}, []string{stepBig}, func(t *trial) (figures, error) { return t.big(rowRead, "seqread") }},
		{"random", []string{rowRandom}, []string{stepBig}, func(t *trial) (figures, error) { return t.big(rowRandom, "randread") }},
		{"rename", []string{rowRename}, []string{stepTree}, (*trial).rename},
		{"drain", []string{rowDrain, rowRequests}, nil, (*trial).drain},
		{"unlink", []string{rowUnlink}, []string{stepTree4}, (*trial).unlink},
		{"memory", []string{rowPeakMemory}, nil, (*trial).memory},
		{"magic", []string{rowMagic, rowMagicAgain}, nil, (*trial).magic},
		{stepRemount, nil, nil, (*trial).remount},
		{"coldwalk", []string{rowColdWalk}, []string{stepTree, stepRemount}, (*trial).coldWalk},
		{"coldread", []string{rowColdRead, rowColdFirst}, []string{stepBig, stepRemount}, (*trial).coldRead},
		{"memory again", []string{rowPeakMemory}, []string{stepRemount}, (*trial).memory},
	}
}

// plan picks the rows and the steps of a run.
func plan(c config) (rows []row, steps []step) {
	wanted := map[string]bool{}
	for _, r := range allRows() {
		if wants(c.rows, r.id) && (r.link || !c.link) {
			rows = append(rows, r)
			wanted[r.id] = true
		}
	}
	needed := map[string]bool{}
	all := allSteps()
	for i := len(all) - 1; i >= 0; i-- { // a step needs earlier ones only
		s := all[i]
		for _, id := range s.rows {
			needed[s.name] = needed[s.name] || wanted[id]
		}
		if s.name == "memory again" { // only where a remount happens anyway
			needed[s.name] = wanted[rowPeakMemory] && (wanted[rowColdWalk] || wanted[rowColdRead] || wanted[rowColdFirst])
		}
		if needed[s.name] {
			for _, n := range s.needs {
				needed[n] = true
			}
		}
	}
	for _, s := range all {
		if needed[s.name] {
			steps = append(steps, s)
		}
	}
	return rows, steps
}
