package faultproxy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"
)

// Proxy stands between a client and one server, on 127.0.0.1. It keeps the Host header, so that a server which makes URLs
// of it makes them lead through the proxy.
type Proxy struct {
	Faults *Faults
	target *url.URL
	rt     http.RoundTripper
	own    *http.Transport

	mu   sync.Mutex
	addr string
	srv  *http.Server // nil while down
	done chan struct{}
	stop context.CancelFunc
}

// NewProxy starts a proxy in front of target, "http://host:port". The caller closes it.
func NewProxy(f *Faults, target string) (*Proxy, error) {
	u, err := url.Parse(target)
	if err != nil {
		return nil, fmt.Errorf("target: %w", err)
	}
	own := &http.Transport{MaxIdleConnsPerHost: 64, DisableCompression: true}
	p := &Proxy{Faults: f, target: u, rt: f.Transport(own), own: own, addr: "127.0.0.1:0"}
	return p, p.Up()
}

// URL returns where the proxy is; it stays the same over Down and Up.
func (p *Proxy) URL() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return "http://" + p.addr
}

// Up accepts connections again.
func (p *Proxy) Up() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.srv != nil {
		return nil
	}
	var l net.Listener
	var err error
	for range 50 { // the port may take a moment to be free
		if l, err = net.Listen("tcp", p.addr); err == nil {
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(context.Background())
	p.addr, p.stop, p.done = l.Addr().String(), stop, make(chan struct{})
	p.srv = &http.Server{
		Handler: http.HandlerFunc(p.serve), ReadHeaderTimeout: time.Minute,
		BaseContext: func(net.Listener) context.Context { return ctx },
	}
	go func(s *http.Server, done chan struct{}) {
		defer close(done)
		_ = s.Serve(l)
	}(p.srv, p.done)
	return nil
}

// Down breaks all connections and refuses new ones.
func (p *Proxy) Down() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.srv == nil {
		return
	}
	p.stop()
	_ = p.srv.Close()
	<-p.done
	p.srv = nil
}

// Close ends the proxy.
func (p *Proxy) Close() {
	p.Down()
	p.own.CloseIdleConnections()
}

// serve does one exchange. An error on the server's side, injected or not, is a broken connection on the client's.
func (p *Proxy) serve(w http.ResponseWriter, r *http.Request) {
	out := r.Clone(r.Context())
	out.URL.Scheme, out.URL.Host, out.RequestURI = p.target.Scheme, p.target.Host, ""
	if r.ContentLength == 0 {
		out.Body = http.NoBody
	}
	resp, err := p.rt.RoundTrip(out)
	if err != nil {
		abort(w)
		return
	}
	defer resp.Body.Close()
	for k, v := range resp.Header {
		w.Header()[k] = v
	}
	w.WriteHeader(resp.StatusCode)
	if err := copyFlushing(w, resp.Body); err != nil {
		abort(w)
	}
}

// abort resets the client's connection.
func abort(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = conn.Close()
}

// copyFlushing hands on what comes as it comes: an event must not wait for the next.
func copyFlushing(w http.ResponseWriter, r io.Reader) error {
	rc := http.NewResponseController(w)
	buf := make([]byte, 32<<10)
	for {
		n, err := r.Read(buf)
		if n > 0 {
			if _, werr := w.Write(buf[:n]); werr != nil {
				return nil //nolint:nilerr // the client is gone
			}
			_ = rc.Flush()
		}
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
	}
}
