package server

import (
	"sync"
	"time"
)

// A deadline is when Read or Write of a connection in memory gives up. Clients set
// one for each call, and hardly ever wait: so there is a timer only while
// somebody does. The lock of what is waited for guards it.
type deadline struct {
	at     time.Time   // zero: never
	timer  *time.Timer // nil: not set
	waited int         // how many wait
}

// set moves the deadline. Those who wait must look at it again.
func (d *deadline) set(at time.Time) {
	d.at = at
	if d.timer != nil {
		d.timer.Stop()
		d.timer = nil
	}
}

func (d *deadline) passed() bool { return !d.at.IsZero() && time.Until(d.at) <= 0 }

// wait waits for a change, until the deadline at most.
func (d *deadline) wait(changed *sync.Cond) {
	if d.timer == nil && !d.at.IsZero() {
		var timer *time.Timer
		timer = time.AfterFunc(time.Until(d.at), func() {
			changed.L.Lock()
			defer changed.L.Unlock()
			if d.timer == timer {
				d.timer = nil // it is to be set again if it came too early, by a clock that was put back
			}
			changed.Broadcast()
		})
		d.timer = timer
	}
	d.waited++
	changed.Wait()
	d.waited--
}
