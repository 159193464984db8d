package main

import (
	"bytes"
	"io"
	"net"
	"testing"
	"time"
)

// echo answers what it is sent, until the sender has sent all.
func echo(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				_, _ = io.Copy(c, c)
			}()
		}
	}()
	return l.Addr().String()
}

// TestProxyDelaysAndLimits sends bytes there and back: they come as they were, no sooner than delay and rate let them.
func TestProxyDelaysAndLimits(t *testing.T) {
	const delay, rate, size = 40 * time.Millisecond, 4_000_000, 400_000
	p, err := startProxy(echo(t), delay, rate)
	if err != nil {
		t.Fatal(err)
	}
	defer p.stop()
	c, err := net.Dial("tcp", p.addr())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	sent := pattern(size)
	start := time.Now()
	go func() {
		_, _ = c.Write(sent)
		_ = c.(*net.TCPConn).CloseWrite()
	}()
	got, err := io.ReadAll(c)
	if err != nil {
		t.Fatal(err)
	}
	took := time.Since(start)
	if !bytes.Equal(got, sent) {
		t.Errorf("%d bytes came back, not those %d that were sent", len(got), len(sent))
	}
	if least := 2*delay + size*time.Second/rate; took < least { // one round trip to connect, one for the bytes
		t.Errorf("there and back in %v, want at least %v", took, least)
	}
}

// TestProxyStops holds that stop ends connections that are open.
func TestProxyStops(t *testing.T) {
	p, err := startProxy(echo(t), time.Millisecond, linkRate)
	if err != nil {
		t.Fatal(err)
	}
	c, err := net.Dial("tcp", p.addr())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(c, make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	p.stop()
	if _, err := c.Read(make([]byte, 1)); err == nil {
		t.Error("the connection is open after the proxy has stopped")
	}
}
