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

// Limits for clients of the page.
const (
	headerTimeout  = 5 * time.Second
	readTimeout    = 10 * time.Second
	writeTimeout   = 90 * time.Second // a profile may take a minute
	idleTimeout    = time.Minute
	maxHeader      = 16 << 10
	closeTimeout   = 2 * time.Second
	maxConnections = 16 // leaves file descriptors for the server's clients
)

// A Page serves Handler on an address of its own, until Close.
type Page struct {
	listener net.Listener
	http     *http.Server
	ended    chan error // the error that Serve returned

	mu      sync.Mutex // guards closed
	closed  bool
	serving sync.WaitGroup // requests in progress; none is added once closed is set
}

// Start serves Handler on a TCP address. Without a host (":9121") it listens on
// 127.0.0.1 only; use "0.0.0.0:9121" for all addresses. Port 0 selects a free
// port. logger receives errors of the page itself; nil: they are dropped.
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
		ReadHeaderTimeout: headerTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeader,
		ErrorLog:          slog.NewLogLogger(logger.Handler(), slog.LevelWarn),
	}
	go func() { p.ended <- p.http.Serve(newLimitListener(l, maxConnections)) }()
	return p, nil
}

// Addr is the page's address: "127.0.0.1:9121".
func (p *Page) Addr() string { return p.listener.Addr().String() }

// Local reports whether the page listens on a loopback address.
func (p *Page) Local() bool { return p.listener.Addr().(*net.TCPAddr).IP.IsLoopback() }

// Close shuts the page down. Requests in progress have two seconds to complete.
func (p *Page) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
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

// counted counts requests in progress, so that Close can wait for those that it
// aborts.
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

// guarded rejects requests for other host names on a local page. It is the
// protection against DNS rebinding, by which a web page in a browser could read
// this page.
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
