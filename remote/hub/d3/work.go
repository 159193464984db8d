package d3

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"dropfs/convert"
	"dropfs/remote/hub/store"
)

// maxAttempts is how often a task is begun before it is given up: a source that kills the hub must not do so for ever.
const maxAttempts = 5

// codes tell why a conversion failed.
var codes = map[convert.Kind]string{
	convert.ErrUnsupported: "unsupported_operation", convert.ErrBroken: "conversion_failed",
	convert.ErrTooLarge: "too_large", convert.ErrLocked: "password_required", convert.ErrBudget: "quota_exceeded",
	convert.ErrTimeout: "timeout", convert.ErrUnreachable: "engine_unavailable",
}

// Task does one task (T10). An error is one of the hub and not of the conversion; the task is to be begun again then. One
// that is finished, or gone, is done.
func (a *API) Task(ctx context.Context, id string) error {
	k, err := a.cfg.Store.StartD3Task(ctx, id)
	if errors.Is(err, store.ErrNotFound) || err == nil && k.Finished() {
		return nil
	}
	if err != nil {
		return err
	}
	a.cfg.Step("d3.task.begun")
	res, err := a.perform(ctx, k)
	if err != nil {
		if errors.Is(ctx.Err(), context.Canceled) { // the hub ends
			return errors.Join(err, a.cfg.Store.PauseD3Task(context.WithoutCancel(ctx), k.ID))
		}
		if k.Attempts < maxAttempts {
			a.cfg.Log.WithError(err).WithField("attempt", k.Attempts).Warn("conversion is begun again later")
			return err
		}
		a.cfg.Log.WithError(err).WithField("attempt", k.Attempts).Error("conversion given up")
		res = store.D3Result{Code: "internal_error", Message: "The server could not do the conversion."}
	}
	err = a.cfg.Store.FinishD3Task(ctx, k.ID, res, a.cfg.Now().Add(a.cfg.Keep), a.events)
	if err == nil {
		a.cfg.Step("d3.task.finished")
	}
	return err
}

// perform runs the conversion in a directory of its own and stores what it made. A conversion that failed is a result
// with a code.
func (a *API) perform(ctx context.Context, k store.D3Task) (store.D3Result, error) {
	var o order
	if err := json.Unmarshal([]byte(k.Step), &o); err != nil {
		return store.D3Result{}, fmt.Errorf("task: %w", err)
	}
	if k.Attempts > maxAttempts {
		return store.D3Result{Code: "internal_error", Message: "The server could not do the conversion."}, nil
	}
	dir, err := os.MkdirTemp(a.cfg.Scratch, "task-*")
	if err != nil {
		return store.D3Result{}, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	files, sources, err := a.fetch(ctx, k, dir)
	if err != nil {
		return store.D3Result{}, err
	}
	run := filepath.Join(dir, "run")
	if err := os.Mkdir(run, 0o700); err != nil {
		return store.D3Result{}, err
	}
	a.settle(ctx, taskSettle)
	plan, err := a.plan(o, files)
	var out string
	if err == nil {
		out, err = plan.Run(ctx, convert.Task{Step: o.Step, Sources: sources, Secret: o.secret, Progress: a.progress(ctx, k.ID)}, run)
	}
	if err != nil {
		if ctx.Err() != nil {
			return store.D3Result{}, err
		}
		return failed(err, dir), nil
	}
	a.cfg.Step("d3.task.converted")
	f, err := a.keep(ctx, k, out)
	return store.D3Result{File: f}, err
}

// progress answers what writes down how far a task came: once in TellEvery at most, and nothing of what takes no longer.
func (a *API) progress(ctx context.Context, task string) func(part float64) {
	var mu sync.Mutex
	told, last := time.Now(), 0
	return func(part float64) {
		mu.Lock()
		defer mu.Unlock()
		percent := min(int(100*part), 99) // all of it is a task that is completed
		if percent <= last || time.Since(told) < a.cfg.TellEvery {
			return
		}
		told, last = time.Now(), percent
		if err := a.cfg.Store.SetD3Progress(ctx, task, percent); err != nil {
			a.cfg.Log.WithError(err).Debug("progress of a conversion is not told")
		}
	}
}

// fetch copies the sources into dir: an engine must not change what others read as well.
func (a *API) fetch(ctx context.Context, k store.D3Task, dir string) (files []store.D3File, sources []convert.Source, err error) {
	for i, id := range k.Inputs {
		f, err := a.cfg.Store.D3Source(ctx, id)
		if err != nil {
			return nil, nil, fmt.Errorf("source: %w", err)
		}
		to := filepath.Join(dir, fmt.Sprintf("in-%d.%s", i, safeExt(f.Name)))
		if err := a.copyOut(ctx, f, to); err != nil {
			return nil, nil, fmt.Errorf("source: %w", err)
		}
		files = append(files, f)
		sources = append(sources, convert.Source{
			Path: to, Name: path.Base(strings.ReplaceAll(f.Name, `\`, "/")), Ext: extOf(f.Name), Size: f.Size,
		})
	}
	return files, sources, nil
}

// safeExt is an extension that can stand in a path of this machine.
func safeExt(name string) string {
	ext := extOf(name)
	if len(ext) > 16 || strings.ContainsFunc(ext, func(r rune) bool { return (r < 'a' || r > 'z') && (r < '0' || r > '9') }) {
		return "bin"
	}
	return ext
}

func (a *API) copyOut(ctx context.Context, f store.D3File, to string) (err error) {
	parts, err := a.cfg.Store.D3Objects(ctx, f.ID)
	if err != nil {
		return err
	}
	src := &series{ctx: ctx, objects: a.cfg.Objects, parts: parts}
	defer src.close()
	dst, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, dst.Close()) }()
	n, err := io.Copy(dst, src)
	if err == nil && n != f.Size {
		err = fmt.Errorf("%d of %d bytes", n, f.Size)
	}
	return err
}

// keep stores what a conversion made (T7).
func (a *API) keep(ctx context.Context, k store.D3Task, out string) (store.D3File, error) {
	src, err := os.Open(out)
	if err != nil {
		return store.D3File{}, err
	}
	defer func() { _ = src.Close() }()
	st, err := src.Stat()
	if err != nil {
		return store.D3File{}, err
	}
	f := store.D3File{ID: "out_" + store.NewID(27), Owner: k.Owner, Name: k.Name, Size: st.Size(), Type: typeOf(k.Name)}
	f.Obj = f.ID + "-" + store.NewID(8)
	if err := a.cfg.Store.AddD3Result(ctx, store.D3Object{Key: f.Obj, File: k.ID}); err != nil {
		return f, err
	}
	stored, err := a.cfg.Objects.Put(ctx, f.Obj, f.Type, src, f.Size)
	f.ETag = stored.ETag
	if err == nil {
		a.cfg.Step("d3.task.stored")
	}
	return f, err
}

// types are the media types of results that machines differ in.
var types = map[string]string{
	"txt": "text/plain; charset=utf-8", "md": "text/markdown; charset=utf-8", "html": "text/html; charset=utf-8",
	"csv": "text/csv; charset=utf-8", "tsv": "text/tab-separated-values; charset=utf-8", "json": "application/json",
	"yaml": "application/yaml", "toml": "application/toml", "xml": "application/xml", "pdf": "application/pdf",
	"rtf": "application/rtf", "epub": "application/epub+zip", "zip": "application/zip", "tar": "application/x-tar",
	"tgz": "application/gzip", "tzst": "application/zstd",
	"docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
	"xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
	"pptx": "application/vnd.openxmlformats-officedocument.presentationml.presentation",
	"odt":  "application/vnd.oasis.opendocument.text", "ods": "application/vnd.oasis.opendocument.spreadsheet",
	"odp": "application/vnd.oasis.opendocument.presentation",
	"png": "image/png", "jpg": "image/jpeg", "webp": "image/webp", "avif": "image/avif", "jxl": "image/jxl", "gif": "image/gif",
	"tiff": "image/tiff", "bmp": "image/bmp", "svg": "image/svg+xml", "heic": "image/heic",
	"mp3": "audio/mpeg", "opus": "audio/ogg", "ogg": "audio/ogg", "flac": "audio/flac", "wav": "audio/wav", "m4a": "audio/mp4",
	"aac": "audio/aac", "mp4": "video/mp4", "webm": "video/webm", "mkv": "video/x-matroska", "mov": "video/quicktime",
}

// typeOf is the media type of a name.
func typeOf(name string) string {
	if t, ok := types[extOf(name)]; ok {
		return t
	}
	return "application/octet-stream"
}

// maxReason bounds what is told of a failure, in bytes.
const maxReason = 300

// failed is the result of a conversion that failed; no path of this machine is told.
func failed(err error, dir string) store.D3Result {
	kind := convert.KindOf(err)
	reason := strings.Join(strings.Fields(strings.ReplaceAll(err.Error(), dir, "")), " ")
	if f := (*failure)(nil); errors.As(err, &f) {
		reason = f.message
	}
	if len(reason) > maxReason {
		reason = strings.ToValidUTF8(reason[:maxReason], "") + "…"
	}
	return store.D3Result{Code: codes[kind], Message: reason}
}
