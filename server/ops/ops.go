// Package ops serves metrics for Prometheus, health checks, and profiles of the
// process to operators.
//
// A program with its own web server mounts Handler, or registers Collector with
// its own metrics. Start listens on a separate address. There is no
// authentication: whoever can connect to the address can see which commands are
// used and how much, and can make profiles. Package server does not import this
// package, so that programs that embed a server without it do not compile
// Prometheus's client library.
package ops

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/parley-chat/parley/server"
)

const (
	healthTimeout  = time.Second      // for the reply to PING
	metricsTimeout = 10 * time.Second // for a page of metrics: longer than Prometheus's own timeout
	maxScrapes     = 4                // concurrent scrapes
)

// Handler serves /metrics, /healthz, and profiles of the process under
// /debug/pprof/.
//
// /metrics has the metrics of Collector, of the Go runtime and of the process.
// Four requests run at a time. A request gets an error if the data lock is not
// free within ten seconds.
//
// /healthz replies 200 if the server answers PING within a second, and
// otherwise 503 with the reason: the server is closed, or a call holds the data
// lock.
func Handler(s *server.Server) http.Handler {
	registry := prometheus.NewRegistry()
	registry.MustRegister(Collector(s), collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))

	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", index)
	mux.Handle("GET /metrics", metrics(registry))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, r *http.Request) { health(w, r, s) })
	addProfiles(mux)
	return mux
}

// metrics serves a registry. Requests may have to wait for the data lock, so at
// most maxScrapes run at a time; others wait. A page is complete before any of
// it is sent, so that a client that does not read it blocks nothing.
func metrics(registry *prometheus.Registry) http.Handler {
	gather := promhttp.HandlerFor(registry, promhttp.HandlerOpts{})
	slots := make(chan struct{}, maxScrapes)
	return http.TimeoutHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case slots <- struct{}{}:
		default:
			resume := pauseServing(r)
			select {
			case slots <- struct{}{}:
				resume()
			case <-r.Context().Done():
				resume()
				return
			}
		}
		defer func() { <-slots }()
		gather.ServeHTTP(w, r)
	}), metricsTimeout, fmt.Sprintf("no metrics within %v: a call or a client holds the lock on the data\n", metricsTimeout))
}

func index(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	io.WriteString(w, `<!doctype html><title>parley</title><h1>parley `+server.Version+`</h1>
<ul><li><a href="/metrics">metrics</a><li><a href="/healthz">health</a><li><a href="/debug/pprof/">profiles</a></ul>
`)
}

func health(w http.ResponseWriter, r *http.Request, s *server.Server) {
	ctx, cancel := context.WithTimeout(r.Context(), healthTimeout)
	defer cancel()
	err := s.Ping(ctx)
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	switch {
	case err == nil:
		io.WriteString(w, "ok\n")
	case errors.Is(err, server.ErrClosed):
		http.Error(w, "the server is closed", http.StatusServiceUnavailable)
	default:
		http.Error(w, fmt.Sprintf("no answer to PING within %v: a call or a client holds the lock on the data", healthTimeout), http.StatusServiceUnavailable)
	}
}
