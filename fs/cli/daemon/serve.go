package daemon

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"io"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	dto "github.com/prometheus/client_model/go"

	"dropfs/fs/cli/control"
)

// Serve starts the control socket, and the status page where one is asked for. Close ends them.
func (d *Disk) Serve() error {
	if d.cfg.Options.HTTP != "" {
		if err := d.serveHTTP(d.cfg.Options.HTTP); err != nil {
			return fmt.Errorf("status page: %w", err)
		}
	}
	if len(d.cfg.Sockets) == 0 {
		return nil
	}
	l, path, err := control.Listen(d.cfg.Sockets...)
	if err != nil {
		return err
	}
	srv := control.NewServer(d.Handlers())
	d.mu.Lock()
	d.socket = srv
	d.mu.Unlock()
	go func() {
		if err := srv.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			d.log.WithError(err).WithField("path", path).Error("the control socket stopped answering")
		}
	}()
	return nil
}

// serveHTTP starts the status page and the metrics.
func (d *Disk) serveHTTP(addr string) error {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", d.page)
	mux.HandleFunc("GET /status.json", d.pageJSON)
	mux.HandleFunc("GET /metrics", d.metrics)
	srv := &http.Server{Handler: ownHost(mux), ReadHeaderTimeout: 10 * time.Second, WriteTimeout: time.Minute}
	d.mu.Lock()
	d.http = l.Addr().String()
	d.mu.Unlock()
	d.group.Go(func() {
		if err := srv.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			d.log.WithError(err).Error("the status page stopped answering")
		}
	})
	context.AfterFunc(d.ctx, func() { _ = srv.Close() })
	return nil
}

// ownHost refuses names that are not ours, so that no web page elsewhere can read this one through a name that it points
// here (DNS rebinding).
func ownHost(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host, _, err := net.SplitHostPort(r.Host)
		if err != nil {
			host = r.Host
		}
		name, _ := os.Hostname()
		if net.ParseIP(host) == nil && host != "localhost" && host != name {
			http.Error(w, "ask for this page by its address", http.StatusForbidden)
			return
		}
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'")
		next.ServeHTTP(w, r)
	})
}

// pageJSON is the status as JSON, without the ids of drops, which open them.
func (d *Disk) pageJSON(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	_ = writeJSON(w, d.publicStatus(r.Context()))
}

// publicStatus is the status without what opens anything.
func (d *Disk) publicStatus(ctx context.Context) control.Status {
	st := d.Status(ctx)
	for i := range st.Disks {
		for j := range st.Disks[i].Drops {
			st.Disks[i].Drops[j].ID = ""
		}
	}
	return st
}

// page is the status for people.
func (d *Disk) page(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	if err := pageTemplate().Execute(w, d.publicStatus(r.Context())); err != nil {
		d.log.WithError(err).Debug("status page broke off")
	}
}

// pageTemplate is the page; it escapes every name.
func pageTemplate() *template.Template {
	funcs := template.FuncMap{
		"bytes": func(n int64) string { return humanize.Bytes(uint64(max(n, 0))) },
		"rate":  func(f float64) string { return humanize.Bytes(uint64(max(f, 0))) + "/s" },
		"when": func(t time.Time) string {
			if t.IsZero() {
				return "never"
			}
			return t.Local().Format("2006-01-02 15:04")
		},
	}
	return template.Must(template.New("page").Funcs(funcs).Parse(`<!doctype html><html lang="en"><meta charset="utf-8"><title>dropfs</title>
<meta http-equiv="refresh" content="5"><style>body{font:15px/1.5 sans-serif;margin:2em;max-width:60em}table{border-collapse:collapse}td,th{padding:.2em 1em .2em 0;text-align:left}.bad{color:#a00}</style>
<h1>dropfs {{.Version}}</h1><ul>{{range .Mounts}}<li>{{.Mountpoint}}{{with .Source}} ({{.}}){{end}}{{if .ReadOnly}} read-only{{end}}</li>{{else}}<li>nothing is mounted</li>{{end}}</ul>
{{range .Disks}}<h2>{{.Account}}</h2><p>{{if .Online}}online{{else}}<span class="bad">offline{{with .OfflineWhy}}: {{.}}{{end}}</span>{{end}};
{{.UnsentFiles}} unsent ({{bytes .UnsentBytes}}); cache {{bytes .CacheBytes.Allocated}} of {{bytes .CacheBytes.Max}}</p>
{{with .Warnings}}<ul class="bad">{{range .}}<li>{{.}}</li>{{end}}</ul>{{end}}
<table><tr><th>drop<th>used<th>size<th>expires</tr>{{range .Drops}}<tr><td>{{.Name}}<td>{{bytes .Used}}<td>{{bytes .Size}}<td>{{when .Expires}}</tr>{{end}}</table>
{{with .Transfers}}<h3>Transfers</h3><table>{{range .}}<tr><td>{{if .Up}}up{{else}}down{{end}}<td>{{.Path}}<td>{{bytes .Done}} of {{bytes .Total}}<td>{{rate .Rate}}</tr>{{end}}</table>{{end}}
{{with .Errors}}<h3>Errors</h3><table>{{range .}}<tr class="bad"><td>{{.Op}}<td>{{.Path}}<td>{{.Err}}</tr>{{end}}</table>{{end}}
{{with .Conflicts}}<h3>Conflicts</h3><ul>{{range .}}<li>{{.}}</li>{{end}}</ul>{{end}}{{end}}</html>`))
}

// metrics answers Prometheus: the process's figures, the daemon's own and those of each account's client.
func (d *Disk) metrics(w http.ResponseWriter, r *http.Request) {
	own := prometheus.NewRegistry()
	own.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	gauge := func(name, help string, labels prometheus.Labels, v float64) {
		g := prometheus.NewGauge(prometheus.GaugeOpts{Name: "dropfs_" + name, Help: help, ConstLabels: labels})
		g.Set(v)
		_ = own.Register(g) // names and labels are ours: they do not clash
	}
	gather := prometheus.Gatherers{own}
	n, under := d.conversionCounts()
	gauge("conversions", "files converted", nil, float64(n.Runs))
	gauge("conversion_listings", "directories of conversions listed", nil, float64(n.Lists))
	gauge("conversions_failed", "conversions that could not be done", nil, float64(n.Failed))
	gauge("conversions_running", "conversions under way", nil, float64(under))
	for _, a := range d.snapshot() {
		st := a.replica.Status()
		l := prometheus.Labels{"account": a.name}
		online := 0.0
		if st.Online {
			online = 1
		}
		gauge("online", "1 while the service answers", l, online)
		gauge("unsent_operations", "changes that the service does not have yet", l, float64(st.UnsentFiles))
		gauge("unsent_bytes", "bytes that the service does not have yet", l, float64(st.UnsentBytes))
		gauge("errors", "operations that fail", l, float64(len(st.Errors)))
		gauge("conflicts", "conflict copies", l, float64(len(st.Conflicts)))
		gauge("cache_max_bytes", "limit of the content cache", l, float64(st.Cache.Max))
		gauge("cache_allocated_bytes", "blocks held in the content cache", l, float64(st.Cache.Allocated))
		gauge("cache_dirty_bytes", "unsent bytes in the content cache", l, float64(st.Cache.Dirty))
		for _, drop := range st.Drops {
			dl := prometheus.Labels{"account": a.name, "drop": drop.Name}
			gauge("drop_used_bytes", "bytes in the drop", dl, float64(drop.Used))
			gauge("drop_size_bytes", "bytes the drop may hold", dl, float64(drop.Size))
		}
		gather = append(gather, labelled{a.service.HTTP().Registry(), a.name})
	}
	promhttp.HandlerFor(gather, promhttp.HandlerOpts{ErrorHandling: promhttp.ContinueOnError}).ServeHTTP(w, r)
}

// labelled adds the account to the figures of its client.
type labelled struct {
	from    prometheus.Gatherer
	account string
}

// Gather implements prometheus.Gatherer.
func (l labelled) Gather() ([]*dto.MetricFamily, error) {
	families, err := l.from.Gather()
	name := "account"
	for _, f := range families {
		for _, m := range f.Metric {
			m.Label = append(m.Label, &dto.LabelPair{Name: &name, Value: &l.account})
		}
	}
	return families, err
}

// writeJSON writes v, indented.
func writeJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(v)
}
