#!/bin/sh
# Warms the compilers and run times whose first use is slow, and drops what a sandbox has no
# use for. Nothing can write these caches later: the image is read-only.
set -eu
cd /build/languages

# Go: its standard library compiled once, as programs are (without cgo, which has no network
# resolver to offer here). 21 s a program without this, with half a processor.
cat >> /usr/lib/go/go.env <<'ENV'
CGO_ENABLED=0
GO111MODULE=auto
GOFLAGS=-p=2
GOPROXY=off
GOSUMDB=off
GOTELEMETRY=off
GOTMPDIR=/run/build
GOTOOLCHAIN=local
ENV
mkdir -p /run/build /opt/go-cache
GOCACHE=/opt/go-cache /usr/lib/go/bin/go build std
GOCACHE=/opt/go-cache /usr/lib/go/bin/go vet hello.go
GOCACHE=/opt/go-cache /usr/lib/go/bin/go build -o /run/build/hello hello.go
/run/build/hello
rm -rf /usr/share/go-*/test /usr/lib/go-*/test /usr/share/go-*/api /usr/share/go-*/doc

# Java: a launcher that takes a file with any public class, and an archive of the classes that
# it and the compiler load.
jar=/opt/java/launch.jar
mkdir -p /opt/java classes
javac -d classes Launch.java
jar --create --file "$jar" --main-class Launch -C classes .
java -XX:ArchiveClassesAtExit=/opt/java/launch.jsa -XX:TieredStopAtLevel=1 -XX:+UseSerialGC \
    -cp "$jar" Launch hello.java warm "two words"
rm -rf "$(dirname "$(dirname "$(readlink -f /usr/bin/javac)")")/jmods"

# LibreOffice keeps a profile, which belongs neither into the workspace nor among a run's files,
# and looks for a Java that is no part of it, complaining when it finds none.
office=/usr/lib/libreoffice/program
sed -i 's|^UserInstallation=.*|UserInstallation=file:///tmp/libreoffice|' "$office/bootstraprc"
grep -q '^UserInstallation=file:///tmp/' "$office/bootstraprc"
rm -rf /usr/lib/libreoffice/share/gallery /usr/lib/libreoffice/share/wizards
if [ ! -e "$office/javaldx" ]; then
    printf '#!/bin/sh\n' > "$office/javaldx"
    chmod 0755 "$office/javaldx"
fi

# R draws bitmaps with Cairo: there is no X server.
echo 'options(bitmapType = "cairo")' >> /etc/R/Rprofile.site
rm -rf /run/build
