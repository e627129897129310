package testkit

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/parley-chat/parley/commands"
)

// checkSlots reports calls that a cluster would reject because their keys are
// in several slots, alone or together with calls queued before. Shard channels
// count as keys.
func (t *linter) checkSlots(l *commands.Client, m *commands.Command, args [][]byte) {
	slot, together := -1, true
	specs := make(commands.Keys, len(m.Keys))
	for i, s := range m.Keys {
		s.Flags &^= commands.NotKey
		specs[i] = s
	}
	uses, _ := specs.In(args)
	for _, u := range uses {
		at := slotOf(u.Key)
		together = together && (slot < 0 || at == slot)
		slot = at
	}
	if !together {
		t.add(RuleCrossSlot, strings.ToUpper(m.FullName())+" with keys in several slots: a cluster answers CROSSSLOT", l, m, args)
	}
	if l.Multi == nil || m.Has(commands.Immediate) {
		delete(t.slots, l.ID)
		return
	}
	if slot < 0 {
		return
	}
	if before, some := t.slots[l.ID]; some && before != slot && together {
		t.add(RuleCrossSlot, fmt.Sprintf("MULTI with keys in several slots, at %s: a cluster answers CROSSSLOT", strings.ToUpper(m.FullName())), l, m, args)
	}
	t.slots[l.ID] = slot
}

// slotOf returns the cluster slot of a key: CRC16 (XMODEM) of the key, or of
// its hash tag, the text between the first { and the next }, if not empty.
func slotOf(key []byte) int {
	if open := bytes.IndexByte(key, '{'); open >= 0 {
		if n := bytes.IndexByte(key[open+1:], '}'); n > 0 {
			key = key[open+1 : open+1+n]
		}
	}
	crc := uint16(0)
	for _, b := range key {
		crc ^= uint16(b) << 8
		for range 8 {
			if crc&0x8000 != 0 {
				crc = crc<<1 ^ 0x1021
			} else {
				crc <<= 1
			}
		}
	}
	return int(crc) % 16384
}
