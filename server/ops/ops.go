// Package ops shows operators a server from outside: metrics for Prometheus,
// whether it is healthy, and profiles of the process.
//
// A program that has a web server of its own mounts Handler, or registers Collector
// with the metrics it has. Start opens an address for nothing else. Nothing here asks
// for a password: who reaches the address sees what commands are used and how much,
// and can have profiles made. Package server does not import this package, so
// that who embeds it without does not compile Prometheus's client library.
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
	healthPatience  = time.Second      // for an answer to PING
	metricsPatience = 10 * time.Second // for a page of metrics: longer than Prometheus waits for it
	maxScrapes      = 4                // at a time
)

// Handler serves /metrics, /healthz, and profiles of the process under /debug/pprof/.
//
// /metrics has those of Collector, and of the Go runtime and the process. It is
// answered within ten seconds: with an error where the server does not let go of its lock.
// Four are answered at a time.
//
// /healthz is 200 when the server answers PING within a second, and else 503
// with the reason: it is closed, or a call holds the lock on the data.
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

// metrics serves a registry. Some requests are answered at a time, and others wait: those
// that are answered may have to wait for the lock on the data. What is answered is
// gathered whole before it is sent, so that who does not read it is in nobody's way.
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
	}), metricsPatience, fmt.Sprintf("no metrics within %v: a call or a client holds the lock on the data\n", metricsPatience))
}

func index(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	io.WriteString(w, `<!doctype html><title>parley</title><h1>parley `+server.Version+`</h1>
<ul><li><a href="/metrics">metrics</a><li><a href="/healthz">health</a><li><a href="/debug/pprof/">profiles</a></ul>
`)
}

func health(w http.ResponseWriter, r *http.Request, s *server.Server) {
	ctx, cancel := context.WithTimeout(r.Context(), healthPatience)
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
		http.Error(w, fmt.Sprintf("no answer to PING within %v: a call or a client holds the lock on the data", healthPatience), http.StatusServiceUnavailable)
	}
}
