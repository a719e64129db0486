! Fortran: arrays, files of both kinds, intrinsics, and how a program ends.
program main
  implicit none
  real(8), allocatable :: a(:,:), b(:,:), c(:,:)
  integer :: i, j, n, io
  character(len=80) :: line
  n = 60
  allocate(a(n,n), b(n,n))
  do j = 1, n
    do i = 1, n
      a(i,j) = sin(real(i * j, 8))
      b(i,j) = merge(1d0, 0d0, i == j) + a(i,j) / 100
    end do
  end do
  c = matmul(a, b)
  print '(a,3f16.9)', 'matmul', sum(c), maxval(c), norm2(c)
  open(10, file='/tmp/fortran.txt', status='replace', action='readwrite', iostat=io)
  print *, 'open', io
  do i = 1, 5
    write(10, '(i4,es14.6)') i, exp(real(i, 8))
  end do
  rewind(10)
  do
    read(10, '(a)', iostat=io) line
    if (io /= 0) exit
    print '(a)', trim(line)
  end do
  close(10, status='delete')
  open(11, form='unformatted', access='direct', recl=8 * n, status='scratch')
  do j = n, 1, -1
    write(11, rec=j) c(:, j)
  end do
  b = 0
  do j = 1, n
    read(11, rec=j) b(:, j)
  end do
  close(11)
  print *, 'same', all(b == c)
  call get_command_argument(1, line)
  print '(a)', trim(line)
  write(0, '(a)') 'to stderr'
  if (len_trim(line) == 0) stop 3
  error stop 'the end'
end program
