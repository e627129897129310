package server

import (
	"sync"
	"time"
)

// A deadline is the read or write deadline of a memoryConn. Clients set one for each call
// and rarely wait, so it has a timer only while a goroutine waits. The outbox's mu guards
// it.
type deadline struct {
	at     time.Time   // zero: never
	timer  *time.Timer // nil: not set
	waited int         // number of waiting goroutines
}

// set changes the deadline. The caller wakes waiting goroutines.
func (d *deadline) set(at time.Time) {
	d.at = at
	if d.timer != nil {
		d.timer.Stop()
		d.timer = nil
	}
}

func (d *deadline) passed() bool { return !d.at.IsZero() && time.Until(d.at) <= 0 }

// wait waits for a broadcast, or for the deadline.
func (d *deadline) wait(changed *sync.Cond) {
	if d.timer == nil && !d.at.IsZero() {
		var timer *time.Timer
		timer = time.AfterFunc(time.Until(d.at), func() {
			changed.L.Lock()
			defer changed.L.Unlock()
			if d.timer == timer {
				d.timer = nil // set again if the wall clock was put back
			}
			changed.Broadcast()
		})
		d.timer = timer
	}
	d.waited++
	changed.Wait()
	d.waited--
}
