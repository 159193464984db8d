package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// workVerb as the first argument makes a process of this program do one measurement.
const workVerb = "work"

func main() {
	if len(os.Args) > 1 && os.Args[1] == workVerb {
		if err := runWork(os.Args[2:], os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	c, out, err := parse(os.Args[1:])
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if err := benchmark(ctx, c, out); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// benchmark runs and tells.
func benchmark(ctx context.Context, c config, jsonFile string) error {
	if c.log == nil {
		c.log = func(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) }
	}
	r, err := run(ctx, c)
	if err != nil {
		return err
	}
	if err := r.print(os.Stdout); err != nil {
		return err
	}
	if jsonFile == "" {
		return nil
	}
	return r.save(jsonFile)
}

// config is one run.
type config struct {
	bin    string   // directory of dropfs and loopback
	peers  string   // directory of rclone and versitygw; "" for without
	dir    string   // directory below which everything happens
	rounds int      // how often each thing is measured
	short  bool     // tiny sizes and no pauses
	link   bool     // servers are behind a link of linkDelay and linkRate
	rows   []string // of the table; empty: all
	sides  []string // empty: all
	sizes  sizes
	log    func(format string, args ...any)
}

// sizes is how much work there is.
type sizes struct {
	bigBytes int64         // of the large file
	files    int           // small ones of one tree
	drain    int           // small ones that are sent while the clock runs
	fileSize int64         // bytes of each
	pixels   int64         // of the picture
	span     time.Duration // of what is measured by time
	pause    time.Duration // between rounds (B4)
}

// sizesOf picks the sizes.
func sizesOf(short, link bool) sizes {
	switch {
	case short:
		return sizes{bigBytes: 4 << 20, files: 40, drain: 20, fileSize: 4096, pixels: 1e4, span: 50 * time.Millisecond}
	case link:
		return sizes{bigBytes: 64 << 20, files: 400, drain: 1000, fileSize: 4096, span: time.Second}
	}
	return sizes{bigBytes: 256 << 20, files: 2000, drain: 1000, fileSize: 4096, pixels: 12e6, span: time.Second, pause: 30 * time.Second}
}

// parse reads the command line.
func parse(args []string) (c config, jsonFile string, err error) {
	f := flag.NewFlagSet("bench", flag.ContinueOnError)
	f.StringVar(&c.bin, "bin", "bin", "dropfs and loopback are in `DIR`")
	f.StringVar(&c.peers, "peers", "", "rclone and versitygw are in `DIR`; without them")
	f.StringVar(&c.dir, "dir", os.TempDir(), "work below `DIR`, on the disk that is measured")
	f.IntVar(&c.rounds, "n", 0, "measure `N` times (5, or 1 with -short)")
	f.BoolVar(&c.short, "short", false, "tiny sizes: whether it works, not how fast it is")
	f.BoolVar(&c.link, "link", false, fmt.Sprintf("servers are behind a link of %v there and back and %d MB/s", linkDelay, linkRate/1_000_000))
	rows := f.String("rows", "", "only the rows `ID,…`: "+strings.Join(rowIDs(), " "))
	sides := f.String("sides", "", "only the sides `NAME,…`: "+strings.Join(sideNames(), " "))
	files := f.Int("files", 0, "`N` small files in place of 2000")
	big := f.Int64("mib", 0, "`N` MiB of the large file in place of 256")
	f.StringVar(&jsonFile, "json", "", "write every figure into `FILE`")
	if err := f.Parse(args); err != nil {
		return c, "", err
	}
	if f.NArg() > 0 {
		return c, "", fmt.Errorf("%q is too much", f.Arg(0))
	}
	if c.rounds == 0 {
		c.rounds = 5
		if c.short {
			c.rounds = 1
		}
	}
	if c.rows, err = choose("row", *rows, rowIDs()); err != nil {
		return c, "", err
	}
	if c.sides, err = choose("side", *sides, sideNames()); err != nil {
		return c, "", err
	}
	c.sizes = sizesOf(c.short, c.link)
	if *files > 0 {
		c.sizes.files, c.sizes.drain = *files, min(*files, c.sizes.drain)
	}
	if *big > 0 {
		c.sizes.bigBytes = *big << 20
	}
	for _, dir := range []*string{&c.bin, &c.peers, &c.dir} {
		if *dir == "" {
			continue
		}
		if *dir, err = filepath.Abs(*dir); err != nil {
			return c, "", err
		}
	}
	return c, jsonFile, nil
}

// choose reads a list of names, each of which must be known.
func choose(what, text string, known []string) ([]string, error) {
	if text == "" {
		return nil, nil
	}
	list := strings.Split(text, ",")
	for _, name := range list {
		if !slices.Contains(known, name) {
			return nil, fmt.Errorf("no %s %q; there are %s", what, name, strings.Join(known, " "))
		}
	}
	return list, nil
}

// wants tells whether a name was chosen, or nothing was.
func wants(chosen []string, name string) bool {
	return len(chosen) == 0 || slices.Contains(chosen, name)
}
