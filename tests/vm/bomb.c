/*
 * Makes threads until there can be no more, lets them end, and makes one more.
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>

#define MOST 100000

static pthread_t thread[MOST];
static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;

static void *waits(void *arg)
{
	pthread_mutex_lock(&gate);
	pthread_mutex_unlock(&gate);
	return arg;
}

int main(void)
{
	pthread_attr_t attr;
	int n = 0, error = 0;
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 16384);
	pthread_mutex_lock(&gate);
	while (n < MOST && !(error = pthread_create(&thread[n], &attr, waits, NULL)))
		n++;
	pthread_mutex_unlock(&gate);
	for (int i = 0; i < n; i++)
		pthread_join(thread[i], NULL);
	if (n < 100 || pthread_create(&thread[0], &attr, waits, NULL) ||
	    pthread_join(thread[0], NULL))
		return 1;
	printf("%s, and all ended\n", error == EAGAIN ? "EAGAIN" : "another error");
	return 0;
}
