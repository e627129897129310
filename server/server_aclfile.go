package server

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/parley-chat/parley/commands"
)

var errPasswordAndFile = errors.New("server: requirepass and aclfile exclude each other: " +
	"the file says what password the default user has, and a password beside it would be ignored")

// loadUsers reads the users of the file that the options name, if they do.
func loadUsers(s *commands.State, path string) error {
	switch {
	case path == "":
		return nil
	case s.Config.Password != "":
		return errPasswordAndFile
	}
	s.Host.ACLFile = &commands.ACLFile{
		Path:  path,
		Read:  func() ([]byte, error) { return readACLFile(path) },
		Write: func(text []byte) error { return replaceFile(path, text) },
	}
	if err := s.LoadUsers(); err != nil {
		return errors.New("server: " + err.Error())
	}
	return nil
}

// readACLFile returns errors in the words of the system, as Redis writes them: clients
// are told.
func readACLFile(path string) ([]byte, error) {
	text, err := os.ReadFile(path)
	if e := (*fs.PathError)(nil); errors.As(err, &e) {
		words := e.Err.Error()
		return nil, errors.New(strings.ToUpper(words[:1]) + words[1:])
	}
	return text, err
}

// replaceFile puts a text in the place of what a file holds: after a crash at
// any time it holds the one or the other. Only its owner may read it.
func replaceFile(path string, text []byte) (err error) {
	dir := filepath.Dir(path)
	f, err := os.CreateTemp(dir, filepath.Base(path)+".tmp-*") // mode 0600
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			f.Close()
			os.Remove(f.Name())
		}
	}()
	if _, err = f.Write(text); err != nil {
		return err
	}
	if err = f.Sync(); err != nil {
		return err
	}
	if err = f.Close(); err != nil {
		return err
	}
	if err = os.Rename(f.Name(), path); err != nil {
		return err
	}
	return syncDir(dir)
}

// syncDir makes a rename last. Windows has no such thing, nor the need.
func syncDir(dir string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}
