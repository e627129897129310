// Package tlstest makes certificates for tests, in memory and as files.
package tlstest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// An Authority is a certificate authority.
type Authority struct {
	t    testing.TB
	cert *x509.Certificate
	key  *ecdsa.PrivateKey

	// Pool contains its own certificate; File is the path of that in PEM.
	Pool *x509.CertPool
	File string
}

// New returns a new authority, which no system trusts.
func New(t testing.TB) *Authority {
	a := &Authority{t: t, key: newKey(t), Pool: x509.NewCertPool(), File: filepath.Join(t.TempDir(), "ca.pem")}
	a.cert = &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "authority"}, NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, a.cert, a.cert, &a.key.PublicKey, a.key)
	check(t, err)
	a.cert, err = x509.ParseCertificate(der)
	check(t, err)
	a.Pool.AddCert(a.cert)
	write(t, a.File, "CERTIFICATE", der)
	return a
}

// Pair has the paths of a certificate and its key, in PEM.
type Pair struct{ Cert, Key string }

// Issue writes a certificate for a name and for this machine into a directory,
// and replaces an existing one.
func (a *Authority) Issue(dir, name string) Pair {
	key := newKey(a.t)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name}, NotAfter: time.Now().Add(time.Hour),
		DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, &key.PublicKey, a.key)
	check(a.t, err)
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	check(a.t, err)
	p := Pair{filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")}
	write(a.t, p.Cert, "CERTIFICATE", der)
	write(a.t, p.Key, "PRIVATE KEY", secret)
	return p
}

// Certificate is Issue in memory.
func (a *Authority) Certificate(name string) tls.Certificate {
	p := a.Issue(a.t.TempDir(), name)
	cert, err := tls.LoadX509KeyPair(p.Cert, p.Key)
	check(a.t, err)
	return cert
}

// Client returns the configuration of a client that trusts this authority, with
// certificates of its own if there are any.
func (a *Authority) Client(own ...tls.Certificate) *tls.Config {
	return &tls.Config{RootCAs: a.Pool, Certificates: own, ServerName: "localhost"}
}

func newKey(t testing.TB) *ecdsa.PrivateKey {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	check(t, err)
	return key
}

func write(t testing.TB, path, kind string, der []byte) {
	check(t, os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600))
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
