package daemon

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMemListenerHTTP(t *testing.T) {
	defer goleak.VerifyNone(t)
	l := newMemListener()
	srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		_, _ = w.Write(b)
	})}
	done := make(chan error, 1)
	go func() { done <- srv.Serve(l) }()
	tr := l.transport()
	client := &http.Client{Transport: tr}
	body := bytes.Repeat([]byte("0123456789abcdef"), 1<<18) // 4 MiB
	for range 3 {
		resp, err := client.Post("http://"+localHost+"/x", "text/plain", bytes.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if err != nil || !bytes.Equal(got, body) {
			t.Fatalf("%d bytes came back, %v", len(got), err)
		}
	}
	tr.CloseIdleConnections()
	_ = srv.Close()
	if err := <-done; !errors.Is(err, http.ErrServerClosed) {
		t.Error(err)
	}
	if _, err := l.Dial(t.Context()); !errors.Is(err, net.ErrClosed) {
		t.Errorf("dial after close: %v", err)
	}
}

func TestMemListenerDeadlines(t *testing.T) {
	l := newMemListener()
	accepted := make(chan net.Conn, 1)
	go func() {
		c, err := l.Accept()
		if err == nil {
			accepted <- c
		}
	}()
	c, err := l.Dial(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close(); _ = (<-accepted).Close() }()
	if err := c.SetReadDeadline(time.Now().Add(time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("read past its deadline: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := newMemListener().Dial(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("dial with nobody there: %v", err)
	}
}
