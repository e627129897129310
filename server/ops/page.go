package ops

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/parley-chat/parley/server"
)

// Bounds of what a peer of the address may take.
const (
	headerPatience = 5 * time.Second
	readPatience   = 10 * time.Second
	writePatience  = 90 * time.Second // a profile takes as long as it is asked for: a minute, at most
	idlePatience   = time.Minute
	maxHeader      = 16 << 10
	closePatience  = 2 * time.Second
	maxConnections = 16 // so that whoever opens many leaves descriptors for clients
)

// A Page serves Handler on an address of its own, until Close.
type Page struct {
	listener net.Listener
	http     *http.Server
	ended    chan error // what Serve has returned

	mu      sync.Mutex // guards closed
	closed  bool
	serving sync.WaitGroup // requests that are being answered; none comes when closed
}

// Start serves Handler on a TCP address. Without a host, ":9121", that is one of this machine
// only, 127.0.0.1; all are "0.0.0.0:9121". Port 0 picks a free one. logger takes what
// goes wrong with the page itself; nil: nobody does.
func Start(s *server.Server, addr string, logger *slog.Logger) (*Page, error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, fmt.Errorf("ops: %w", err)
	}
	if host == "" {
		host = "127.0.0.1"
	}
	l, err := net.Listen("tcp", net.JoinHostPort(host, port))
	if err != nil {
		return nil, fmt.Errorf("ops: %w", err)
	}
	p := &Page{listener: l, ended: make(chan error, 1)}
	if logger == nil {
		logger = slog.New(slog.DiscardHandler)
	}
	p.http = &http.Server{
		Handler:           markServing(p.counted(p.guarded(Handler(s)))),
		ConnContext:       withConn,
		ReadHeaderTimeout: headerPatience,
		ReadTimeout:       readPatience,
		WriteTimeout:      writePatience,
		IdleTimeout:       idlePatience,
		MaxHeaderBytes:    maxHeader,
		ErrorLog:          slog.NewLogLogger(logger.Handler(), slog.LevelWarn),
	}
	go func() { p.ended <- p.http.Serve(newLimitListener(l, maxConnections)) }()
	return p, nil
}

// Addr is where the page is: "127.0.0.1:9121".
func (p *Page) Addr() string { return p.listener.Addr().String() }

// Local reports whether only this machine reaches the page.
func (p *Page) Local() bool { return p.listener.Addr().(*net.TCPAddr).IP.IsLoopback() }

// Close ends the page. Who is being answered has two seconds for the rest.
func (p *Page) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), closePatience)
	defer cancel()
	err := p.http.Shutdown(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		err = p.http.Close()
	}
	if end := <-p.ended; !errors.Is(end, http.ErrServerClosed) {
		err = errors.Join(err, end)
	}
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	p.serving.Wait()
	return err
}

// counted lets Close wait for requests that it has cut off.
func (p *Page) counted(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if p.enter() {
			defer p.serving.Done()
			next.ServeHTTP(w, r)
		}
	})
}

func (p *Page) enter() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.closed {
		p.serving.Add(1)
	}
	return !p.closed
}

// guarded refuses, on a page for this machine, requests for other names: a page
// in a browser may have had its own name point here, to read what it should not.
func (p *Page) guarded(next http.Handler) http.Handler {
	if !p.Local() {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host := r.Host
		if h, _, err := net.SplitHostPort(host); err == nil {
			host = h
		}
		if _, err := netip.ParseAddr(strings.Trim(host, "[]")); err != nil && host != "localhost" {
			http.Error(w, "this page is for the machine that it is on: ask for it by its address", http.StatusForbidden)
			return
		}
		next.ServeHTTP(w, r)
	})
}
