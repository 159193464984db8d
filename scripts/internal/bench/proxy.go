package main

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"time"
)

// The link: what it takes there and back, and how many bytes a second each direction carries, all connections together.
const (
	linkDelay = 50 * time.Millisecond
	linkRate  = 20_000_000
	linkSlice = 32 << 10 // bytes that travel together
	linkQueue = 64       // slices that one connection may have under way: 2 MiB, twice what 50 ms carry
)

// proxy is a link to one server.
type proxy struct {
	to       string
	delay    time.Duration // one way
	listener net.Listener
	cancel   context.CancelFunc
	ctx      context.Context //nolint:containedctx // the life of the connections is the proxy's
	running  sync.WaitGroup
	up, down lane
}

// lane carries one direction.
type lane struct {
	rate int64 // bytes a second

	mu   sync.Mutex
	free time.Time // when what was given to it has left
}

// startProxy listens, and forwards to an address.
func startProxy(to string, roundTrip time.Duration, rate int64) (*proxy, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p := &proxy{to: to, delay: roundTrip / 2, listener: l}
	p.up.rate, p.down.rate = rate, rate
	p.ctx, p.cancel = context.WithCancel(context.Background())
	p.running.Go(p.accept)
	return p, nil
}

func (p *proxy) addr() string { return p.listener.Addr().String() }

// stop ends all connections.
func (p *proxy) stop() {
	if p == nil {
		return
	}
	p.cancel()
	_ = p.listener.Close()
	p.running.Wait()
}

func (p *proxy) accept() {
	for {
		c, err := p.listener.Accept()
		if err != nil {
			return // closed by stop
		}
		p.running.Go(func() { p.serve(c) })
	}
}

// serve forwards one connection until both directions have ended or the proxy stops. Making it costs a round trip too.
func (p *proxy) serve(in net.Conn) {
	defer in.Close()
	if !p.sleep(2 * p.delay) {
		return
	}
	out, err := net.Dial("tcp", p.to)
	if err != nil {
		return
	}
	defer out.Close()
	stop := context.AfterFunc(p.ctx, func() {
		_ = in.Close()
		_ = out.Close()
	})
	defer stop()
	var both sync.WaitGroup
	both.Go(func() { p.carry(out, in, &p.up) })
	both.Go(func() { p.carry(in, out, &p.down) })
	both.Wait()
}

// slice is bytes that arrive at a time.
type slice struct {
	data []byte
	at   time.Time
}

// carry moves bytes from one connection to the other, late and no faster than the lane.
func (p *proxy) carry(to, from net.Conn, ln *lane) {
	queue := make(chan slice, linkQueue)
	done := make(chan struct{})
	go func() {
		defer close(done)
		broken := false
		for s := range queue {
			if broken || !p.sleep(time.Until(s.at)) {
				continue // until the reader has seen that it is over
			}
			if _, err := to.Write(s.data); err != nil {
				broken = true
				_ = from.Close()
			}
		}
		if t, ok := to.(*net.TCPConn); ok {
			_ = t.CloseWrite() // the other direction goes on
		}
	}()
	for {
		buf := make([]byte, linkSlice)
		n, err := from.Read(buf)
		if n > 0 {
			left := ln.send(n)
			queue <- slice{buf[:n], left.Add(p.delay)}
			if !p.sleep(time.Until(left)) {
				break
			}
		}
		if err != nil {
			if !errors.Is(err, io.EOF) {
				_ = to.Close()
			}
			break
		}
	}
	close(queue)
	<-done
}

// send gives n bytes to the lane and answers when they have left.
func (l *lane) send(n int) time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	if now := time.Now(); l.free.Before(now) {
		l.free = now
	}
	l.free = l.free.Add(time.Duration(int64(n) * int64(time.Second) / l.rate))
	return l.free
}

// sleep waits; false when the proxy stops.
func (p *proxy) sleep(d time.Duration) bool {
	if d <= 0 {
		return p.ctx.Err() == nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-p.ctx.Done():
		return false
	}
}
