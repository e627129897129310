package ops

import (
	"context"
	"fmt"
	"html"
	"io"
	"net/http"
	"runtime"
	"runtime/pprof"
	"runtime/trace"
	"slices"
	"strconv"
	"time"
)

// Profiles of the process, at the paths that `go tool pprof` expects. Importing
// net/http/pprof would register them on http.DefaultServeMux, which the
// embedding program may serve to everyone. /debug/pprof/cmdline is left out: a
// command line may contain passwords, and go tool pprof does not need it.

const (
	defaultProfile = 30 * time.Second
	maxProfile     = time.Minute
)

func addProfiles(mux *http.ServeMux) {
	mux.HandleFunc("GET /debug/pprof/{$}", profiles)
	mux.HandleFunc("GET /debug/pprof/{name}", profile)
	mux.HandleFunc("GET /debug/pprof/profile", whileRunning(defaultProfile, pprof.StartCPUProfile, pprof.StopCPUProfile))
	mux.HandleFunc("GET /debug/pprof/trace", whileRunning(time.Second, trace.Start, trace.Stop))
}

// profiles serves the list of profiles.
func profiles(w http.ResponseWriter, _ *http.Request) {
	names := []string{"profile?seconds=30", "trace?seconds=1"}
	for _, p := range pprof.Profiles() {
		names = append(names, p.Name()+"?debug=1")
	}
	slices.Sort(names)
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	io.WriteString(w, "<!doctype html><title>profiles</title><ul>\n")
	for _, name := range names {
		fmt.Fprintf(w, "<li><a href=\"%[1]s\">%[1]s</a>\n", html.EscapeString(name))
	}
	io.WriteString(w, "</ul>\n")
}

// profile serves a profile of the current state: heap, goroutine, and so on.
// debug=1 and debug=2 return text; gc=1 collects garbage first.
func profile(w http.ResponseWriter, r *http.Request) {
	p := pprof.Lookup(r.PathValue("name"))
	debug, err := number(r, "debug", 0, 2)
	switch {
	case p == nil:
		http.Error(w, "no such profile", http.StatusNotFound)
		return
	case err != nil:
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	case r.FormValue("seconds") != "":
		http.Error(w, "differences over a time are not made here: take two profiles, and compare them with go tool pprof -base", http.StatusBadRequest)
		return
	}
	if r.FormValue("gc") == "1" {
		runtime.GC()
	}
	if debug > 0 {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	} else {
		attach(w, p.Name())
	}
	p.WriteTo(w, debug) // an error can only be one of the connection
}

func attach(w http.ResponseWriter, name string) {
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("Content-Disposition", `attachment; filename="`+name+`"`)
}

// whileRunning serves what is recorded between start and stop, for the number
// of seconds that the request asks for, or usual. A process can make one such
// profile at a time.
func whileRunning(usual time.Duration, start func(io.Writer) error, stop func()) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		seconds, err := number(r, "seconds", int(usual/time.Second), int(maxProfile/time.Second))
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		attach(w, "profile")
		if err := start(w); err != nil {
			w.Header().Del("Content-Disposition")
			http.Error(w, err.Error(), http.StatusConflict)
			return
		}
		defer stop()
		ctx, cancel := context.WithTimeout(r.Context(), time.Duration(seconds)*time.Second)
		defer cancel()
		<-ctx.Done()
	}
}

// number reads a parameter from 0 to most.
func number(r *http.Request, name string, usual, most int) (int, error) {
	text := r.FormValue(name)
	if text == "" {
		return usual, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 || n > most {
		return 0, fmt.Errorf("%s: want a number from 0 to %d", name, most)
	}
	return n, nil
}
