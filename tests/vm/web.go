// An HTTP server of Go's standard library, and its client: goroutines, timers, the
// garbage collector.
package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"runtime"
	"sort"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// An answer through a proxy: io.Copy between two connections splices.
func proxied(server string) int64 {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return -1
	}
	go func() {
		client, _ := l.Accept()
		inner, _ := net.Dial("tcp", server)
		go io.Copy(inner, client)
		n, err := io.Copy(client, inner)
		if err != nil {
			fmt.Println(n, err)
		}
		client.Close()
	}()
	conn, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		return -2
	}
	fmt.Fprintf(conn, "GET /large HTTP/1.0\r\n\r\n")
	n, _ := io.Copy(io.Discard, conn)
	return n
}

func main() {
	http.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		fmt.Fprintf(w, "%s %s %s", r.Method, r.URL.Path, strings.ToUpper(string(body)))
	})
	http.HandleFunc("/large", func(w http.ResponseWriter, r *http.Request) {
		w.Write(make([]byte, 1<<20))
	})
	address := "127.0.0.1:0"
	if len(os.Args) > 1 {
		address = os.Args[1]
	}
	l, err := net.Listen("tcp", address)
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	if len(os.Args) > 1 {
		fmt.Println("serving")
		fmt.Println(http.Serve(l, nil))
		os.Exit(1)
	}
	go http.Serve(l, nil)
	base := "http://" + l.Addr().String()
	var wg sync.WaitGroup
	var mu sync.Mutex
	var lines []string
	for i := 0; i < 40; i++ {
		wg.Add(1)
		go func(i int) {
			defer wg.Done()
			r, err := http.Post(fmt.Sprintf("%s/%d", base, i), "text/plain", strings.NewReader(fmt.Sprint("body ", i)))
			if err != nil {
				fmt.Println(err)
				return
			}
			b, _ := io.ReadAll(r.Body)
			r.Body.Close()
			mu.Lock()
			lines = append(lines, string(b))
			mu.Unlock()
		}(i)
	}
	wg.Wait()
	sort.Strings(lines)
	fmt.Println(strings.Join(lines, "\n"))
	r, err := http.Get(base + "/large")
	if err == nil {
		n, _ := io.Copy(io.Discard, r.Body)
		fmt.Println(n)
	}
	fmt.Println(proxied(l.Addr().String()))
	kept := make([][]byte, 64)
	for i := 0; i < 2000; i++ {
		kept[i%64] = make([]byte, 32<<10)
	}
	runtime.GC()
	// a loop that only a signal can interrupt
	runtime.GOMAXPROCS(1)
	var done int32
	go func() { atomic.StoreInt32(&done, 1) }()
	for start := time.Now(); atomic.LoadInt32(&done) == 0 && time.Since(start) < 10*time.Second; {
	}
	fmt.Println(done, len(kept))
	select {
	case <-time.After(10 * time.Millisecond):
		fmt.Println("timer")
	}
}
