package commands

import "strings"

// A subject is what a rule of an ACL can be about: a row of the table, or a
// command of Redis that is not here (see unsupported).
type subject struct {
	id         int    // of a row: its place in the table
	name       string // in full
	categories Category
	parent     *subject
	subs       []*subject
	counts     bool // Redis 7.0.15 has it: see describeCommands
}

// subjects are all that rules can be about.
type subjects struct {
	top    []*subject // those below others are in subs
	byName map[string]*subject
}

// newSubjects lists the rows of a table, and those of Redis that it lacks.
func newSubjects(t *Table) (s subjects) {
	s.byName = make(map[string]*subject)
	t.eachRow(func(m *Command) {
		s.add(&subject{
			id: m.id, name: m.FullName(), categories: m.Categories(), counts: !laterThan(m.Since, RedisVersion),
		})
	})
	next := t.size
	eachUnsupported(func(name string, categories Category) {
		if s.byName[name] == nil { // no row yet
			s.add(&subject{id: next, name: name, categories: categories, counts: true})
			next++
		}
	})
	return s
}

// add enters a subject behind the one it stands below. Without that, as in a
// small table, there is no way to speak of it.
func (s *subjects) add(j *subject) {
	above, _, nested := strings.Cut(j.name, "|")
	if !nested {
		s.top = append(s.top, j)
	} else if j.parent = s.byName[above]; j.parent != nil {
		j.parent.subs = append(j.parent.subs, j)
	} else {
		return
	}
	s.byName[j.name] = j
}

// each calls f with all subjects, those below another behind it.
func (s *subjects) each(f func(*subject)) {
	for _, j := range s.top {
		f(j)
		for _, sub := range j.subs {
			f(sub)
		}
	}
}

// named finds a subject by its full name, in any case; nil if there is none.
func (s *subjects) named(name string) *subject { return s.byName[lowered(name)] }

// laterThan compares versions: "7.2.0" is later than "7.0.15".
func laterThan(a, b string) bool {
	x, y := strings.Split(a, "."), strings.Split(b, ".")
	for i := range min(len(x), len(y)) {
		if len(x[i]) != len(y[i]) {
			return len(x[i]) > len(y[i])
		}
		if x[i] != y[i] {
			return x[i] > y[i]
		}
	}
	return len(x) > len(y)
}
