package server

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"
)

// certificates are the TLS files and the configuration that was last read from
// them.
type certificates struct {
	files TLSFiles
	log   *eventLog

	mu     sync.Mutex // guards all below
	seen   []fs.FileInfo
	config *tls.Config
}

// tlsConfigFromFiles returns a configuration that reloads its certificates when
// their files change.
func (s *Server) tlsConfigFromFiles(f TLSFiles) (*tls.Config, error) {
	c := &certificates{files: f, log: &s.engine.log}
	if err := c.read(); err != nil {
		return nil, err
	}
	return &tls.Config{
		MinVersion:         tls.VersionTLS12,
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { return c.current(), nil },
	}, nil
}

// current returns the configuration for a new connection. Checking three files
// for changes is cheap compared with a handshake.
func (c *certificates) current() *tls.Config {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.changed() {
		if err := c.read(); err != nil {
			c.log.log(eventTLSCertificatesUnread, "error", err)
		}
	}
	return c.config
}

// changed reports whether any file differs from the one that was read.
func (c *certificates) changed() bool {
	for i, path := range c.paths() {
		now, err := os.Stat(path)
		if err != nil {
			return true
		}
		if was := c.seen[i]; !os.SameFile(was, now) || !was.ModTime().Equal(now.ModTime()) || was.Size() != now.Size() {
			return true
		}
	}
	return false
}

func (c *certificates) paths() []string {
	paths := []string{c.files.Cert, c.files.Key}
	if c.files.CA != "" {
		paths = append(paths, c.files.CA)
	}
	return paths
}

// read reads all files; on error it changes nothing. The new configuration has
// new session ticket keys, so that no client resumes a session that began with
// the old certificate.
func (c *certificates) read() error {
	auth, ok := clientAuth[c.files.AuthClients]
	switch {
	case !ok:
		return fmt.Errorf("tls-auth-clients %q: want yes, no or optional", c.files.AuthClients)
	case c.files.Cert == "" || c.files.Key == "":
		return errors.New("TLS needs tls-cert-file and tls-key-file")
	case c.files.CA == "" && auth != tls.NoClientCert:
		return fmt.Errorf("tls-auth-clients %s needs tls-ca-cert-file", c.files.AuthClients)
	}
	var seen []fs.FileInfo
	for _, path := range c.paths() { // before reading: a file that changes meanwhile is read again
		info, err := os.Stat(path)
		if err != nil {
			return err
		}
		seen = append(seen, info)
	}
	pair, err := tls.LoadX509KeyPair(c.files.Cert, c.files.Key)
	if err != nil {
		return fmt.Errorf("tls-cert-file %s, tls-key-file %s: %w", c.files.Cert, c.files.Key, err)
	}
	authorities, err := c.authorities()
	if err != nil {
		return err
	}
	c.seen, c.config = seen, &tls.Config{
		MinVersion:   tls.VersionTLS12,
		Certificates: []tls.Certificate{pair},
		ClientAuth:   auth,
		ClientCAs:    authorities,
	}
	return nil
}

func (c *certificates) authorities() (*x509.CertPool, error) {
	if c.files.CA == "" {
		return nil, nil
	}
	text, err := os.ReadFile(c.files.CA)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("tls-ca-cert-file %s: no certificates in it", c.files.CA)
	}
	return pool, nil
}
