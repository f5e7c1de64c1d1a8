#!/usr/bin/perl
# usage: dockerfile.pl FILE STAGES IMAGE BASE NAME=VALUE ...
#
# Builds the stages of a Dockerfile without a container runtime: each is a
# directory STAGES/NAME ("last" if it has no name), RUN is a chroot. The directory
# BASE stands in for the image IMAGE, and NAME=VALUE is what that image has in its
# environment; these are the values of the ARGs, too. It knows the instructions and
# the forms that our Dockerfile uses, and stops at others.
use strict;
use warnings;

my ($file, $stages, $base_image, $base, @environment) = @ARGV;
my %base_env = map { split /=/, $_, 2 } @environment;
my (%global, %env, %arg, %env_of);
my ($root, $workdir, $name);

sub run { system(@_) == 0 or die "failed: @_\n"; return }

sub expand
{
	my ($text, %known) = @_;
	$text =~ s/\$(?:\{(\w+)\}|(\w+))/$known{$1 \/\/ $2} \/\/ die "no value for $& in: $_[0]\n"/ge;
	return $text;
}

sub from
{
	my ($image, $as, @rest) = split ' ', $_[0];
	$name = !defined $as ? 'last' : $as eq 'AS' && @rest == 1 ? $rest[0] : die "FROM $_[0]\n";
	$image = expand($image, %global);
	$root = "$stages/$name";
	$workdir = '/';
	%arg = ();
	if ($image eq 'scratch') { run('mkdir', $root); %env = () }
	elsif ($env_of{$image}) { run('cp', '-a', '--one-file-system', "$stages/$image", $root); %env = %{ $env_of{$image} } }
	elsif ($image eq $base_image) { run('cp', '-a', $base, $root); %env = %base_env }
	else { die "FROM $_[0]: there is no $image\n" }
	$env_of{$name} = {%env};
	if (-d "$root/proc") { run('mount', '--bind', '/proc', "$root/proc") }
	return;
}

sub arg
{
	my ($key, $default) = split /=/, $_[0], 2;
	if (!defined $root) { $global{$key} = $base_env{$key} // $default }
	else { $arg{$key} = $global{$key} // $default // die "ARG $key has no value\n" }
	return;
}

sub copy
{
	my @what = split ' ', $_[0];
	my $from = '.';
	if ($what[0] =~ /^--from=(.*)/) { $from = "$stages/$1"; shift @what; $env_of{$1} or die "there is no stage $1\n" }
	my $to = expand(pop @what, %arg, %env);
	$to = "$workdir/" if $to eq '.';
	$to =~ m{^/.*/$} or die "COPY to $to, which is no directory\n";
	run('mkdir', '-p', "$root$to");
	foreach my $pattern (map { expand($_, %arg, %env) } @what)
	{
		# as .dockerignore says, and "make dist" before
		if ($pattern eq '.') { run('sh', '-c', "tar -cf - --exclude='./tmp_*' . | tar -xf - -C '$root$to'"); next }
		my @files = grep { -f } glob("$from$pattern");
		@files or die "COPY finds no file $pattern\n";
		run('cp', '-p', @files, "$root$to");
	}
	return;
}

sub command
{
	my %all = (HOME => '/root', PATH => $ENV{PATH}, %arg, %env);
	local %ENV = %all;
	run('/usr/sbin/chroot', $root, '/bin/sh', '-c', "cd '$workdir' && $_[0]");
	return;
}

my %instruction = (
	FROM => \&from,
	ARG => \&arg,
	COPY => \&copy,
	RUN => \&command,
	WORKDIR => sub { $workdir = $_[0]; run('mkdir', '-p', "$root$workdir") },
);

open my $in, '<', $file or die "$file: $!\n";
my $text = join '', grep { !/^\s*#/ } <$in>;
close $in;
$text =~ s/\\\n\s*//g;
run('mkdir', $stages);
$| = 1;
foreach (grep { /\S/ } split /\n/, $text)
{
	my ($word, $rest) = /^(\w+)\s+(.*?)\s*$/ or die "$file: $_\n";
	print "+ $_\n";
	($instruction{$word} // die "$file: the test does not know $word\n")->($rest);
}
